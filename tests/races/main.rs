//! The races that servers with long-lived streams lose, by name: each one staged
//! by hand, through the public API, without a sleep.
//!
//! What only real threads can show is here as a bounded stress; what needs every
//! interleaving is in `tests/loom`.

#[path = "../support/mod.rs"]
mod support;

mod adversarial;
#[cfg(feature = "tokio")]
mod ends;
#[cfg(feature = "tokio")]
mod on_tokio;
mod reader;
mod registry;
mod server;
mod setup;
mod shutdown;
#[cfg(feature = "tokio")]
mod signal;
mod stream;
mod take_over;
#[cfg(feature = "tokio")]
mod threads;
mod undo;
mod unsettled;
