//! Behaviour through the public API, one module per piece.

#[path = "../support/mod.rs"]
mod support;

mod bomb;
mod close_when;
mod connection;
mod debug;
mod handle;
mod hooks;
mod last_close;
mod observer;
mod registry;
mod run;
mod scope;
mod step;
mod stream;
mod take_over;
mod typed_states;
mod undo;
