//! The errors of admission. Those of the state machine are beside it.

use crate::state::Closed;

/// Why a [`Scope`](crate::Scope) did not admit a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// A drain has begun: nothing is admitted any more.
    #[error("the server is draining")]
    Draining,
    /// As many connections as allowed have not settled yet.
    #[error("the server is full")]
    Full,
}

/// Why a connection could not join a [`Registry`](crate::Registry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The connection has ended already; it is in no registry.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// Another open connection holds the key, under
    /// [`Conflict::Reject`](crate::Conflict::Reject).
    #[error("the key is taken")]
    KeyTaken,
    /// As many connections as allowed hold the key, under
    /// [`Conflict::Share`](crate::Conflict::Share).
    #[error("the key is full")]
    KeyFull,
    /// This very connection holds the key already.
    #[error("the connection holds this key already")]
    AlreadyJoined,
    /// The deadline of a take-over passed while a predecessor, which is closed, had not
    /// settled.
    #[error("the predecessor has not settled in time")]
    Unsettled,
}
