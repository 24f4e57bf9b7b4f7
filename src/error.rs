//! The typed errors. How a connection ended is [`Closed`], beside the states.

use crate::state::{Closed, Event, State};

/// An event that has no arrow from the state it met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TransitionError {
    /// The connection has ended already.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// The event does not belong to this state.
    #[error("cannot {event} while {state}")]
    OutOfOrder {
        /// The state, which is unchanged.
        state: State,
        /// The event that it does not take.
        event: Event,
    },
}

impl TransitionError {
    /// The one way to fail of an event that its caller's type puts in order.
    pub(crate) fn in_order(self) -> Closed {
        match self {
            Self::Closed(closed) => closed,
            Self::OutOfOrder { state, event } => unreachable!("{event} while {state}"),
        }
    }
}

/// Why a [`Scope`](crate::Scope) did not admit a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// A drain has begun: nothing is admitted any more.
    #[error("the server is draining")]
    Draining,
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
}
