//! Race-free lifecycles for long-lived server streams.
#![forbid(unsafe_code)]

mod connection;
mod error;
mod handle;
mod lifecycle;
mod live;
#[cfg(doctest)]
mod misuse;
mod owner;
mod panic;
mod pending;
mod registering;
mod registry;
mod run;
mod scope;
mod state;
mod step;
mod stream;
mod sync;
mod waiters;
mod word;

pub use connection::Connection;
pub use error::{JoinError, Refused, TransitionError};
pub use handle::{ConnectionId, Handle, Settled, WaitForClosed, WaitForSettled};
pub use live::Live;
pub use pending::Pending;
pub use registering::Registering;
pub use registry::{Conflict, Member, Registry};
pub use run::Run;
pub use scope::{Scope, Stats};
pub use state::{CloseReason, Closed, Event, Phase, State};
pub use step::Step;
pub use stream::LiveStream;
