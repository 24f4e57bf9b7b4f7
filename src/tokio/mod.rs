//! The tokio adapter: what drives real streams, on the public API of the core.
//!
//! | you want to | use |
//! |---|---|
//! | close when a signal fires | [`Pending::abort_on`], [`Scope::abort_on`] |
//! | keep [`Deadlines`] | [`ScopeBuilder::runtime`] with a `tokio::runtime::Handle` |
//! | undo what takes its time | [`Registering::on_close_async`] |
//! | send something when nothing was sent for a while | [`LiveStream::heartbeat`], `LiveBody::heartbeat` |
//! | run tasks that end with the connection | [`Registering::spawn`], [`Live::spawn`] |
//! | shut down | [`Scope::drain`] |
//! | stop other work at the close | `Handle::token` |
//!
//! Most of it are methods on the types of the core. What is here are the types that
//! they return.

#[cfg(doc)]
use crate::{Deadlines, Live, LiveStream, Pending, Registering, Scope, ScopeBuilder};

mod abort_on;
mod drain;
mod heartbeat;
mod on_close_async;
mod pause;
mod spawn;
#[cfg(feature = "http-body")]
mod sse;
#[cfg(feature = "tokio-util")]
mod token;

pub use drain::{Drain, DrainReport, Overrun};
pub use heartbeat::Heartbeat;
#[cfg(feature = "http-body")]
pub use sse::SseHeartbeat;
