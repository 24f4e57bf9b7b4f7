//! The errors of admission. Those of the state machine are beside it.

use std::time::Duration;

use crate::runtime::NoRuntime;
use crate::state::Closed;

/// Why a [`Scope`](crate::Scope) did not open a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A drain has begun: the scope admits nothing any more.
    #[error("the server is draining")]
    Draining,
    /// As many connections as allowed have not settled yet.
    #[error("the server is full")]
    Full,
    /// The connection needs a runtime, to keep its deadlines or to wait for a signal, and
    /// there is none: the scope [was given none](crate::ScopeBuilder::runtime), or it has
    /// shut down, and the caller is in none.
    #[error("no runtime: the scope has none, and this thread is in none")]
    NoRuntime,
    /// The [signal](crate::Pending::abort_on) that the connection was to be bound to had
    /// fired, or the connection had been closed before.
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl From<NoRuntime> for OpenError {
    fn from(_: NoRuntime) -> Self {
        Self::NoRuntime
    }
}

/// Why a connection did not get a place under a key of a [`Registry`](crate::Registry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The connection has ended already; it is in no registry.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// Another open connection holds the key, under
    /// [`Conflict::Reject`](crate::Conflict::Reject).
    #[error("the key is taken")]
    Taken,
    /// As many connections as allowed hold the key, under
    /// [`Conflict::Share`](crate::Conflict::Share).
    #[error("the key is full")]
    Full,
    /// There will be room without any other connection being closed: one that holds the key
    /// has closed and has not settled. Instead of `Taken` or `Full`. Try again soon, or wait
    /// for [`Registry::settled`](crate::Registry::settled).
    #[error("the key is about to be free: what held it has closed and is being undone")]
    Settling,
    /// The holder is not replaced yet: see
    /// [`min_hold`](crate::RegistryBuilder::min_hold).
    #[error("the holder of the key is safe for another {retry_after:?}")]
    Held {
        /// How long the holder is still safe.
        retry_after: Duration,
    },
    /// This very connection holds the key already.
    #[error("the connection holds this key already")]
    AlreadyJoined,
    /// The deadline of a take-over passed while a predecessor, which is closed, had not
    /// settled.
    #[error("the predecessor has not settled in time")]
    TimedOut,
    /// The registry has a [`min_hold`](crate::RegistryBuilder::min_hold), and there is no
    /// runtime to tell the time: the scope [was given none](crate::ScopeBuilder::runtime),
    /// and the caller is in none.
    #[error(transparent)]
    NoRuntime(#[from] NoRuntime),
}
