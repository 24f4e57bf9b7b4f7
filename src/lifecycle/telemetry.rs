//! What a scope tells its observer, and the clock that it is told by.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::settled::Settled;
use super::waits_for::WaitsFor;
use crate::error::{KeyError, OpenError};
use crate::id::ConnectionId;
use crate::panic::catch_panic;
use crate::state::{CloseReason, Phase, State};

/// A point of a [drain](crate::Scope::drain).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DrainEvent {
    /// The scope admits nothing any more, for good. Told once.
    Begun,
    /// A batch has been closed.
    #[non_exhaustive]
    Batch {
        /// How many connections this batch closed: fewer than were in it if some had closed
        /// before.
        closed: usize,
    },
    /// The deadline has passed: what is left is closed, and its undos are abandoned.
    #[non_exhaustive]
    Forced {
        /// How many connections had not settled.
        left: usize,
    },
    /// The drain is over. The numbers are those of its
    /// [report](crate::report::DrainReport).
    #[non_exhaustive]
    Done {
        /// How many connections settled before the deadline.
        closed: usize,
        /// How many connections settled after the deadline.
        forced: usize,
        /// How many connections are closed and have not settled.
        unsettled: usize,
    },
}

/// One transition of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// The connection.
    pub id: ConnectionId,
    /// The phase that the connection left.
    pub from: Phase,
    /// The state that the connection entered.
    pub to: State,
    /// How long the connection was in `from`, by the
    /// [clock](crate::ScopeBuilder::clock) of the scope; `None` if the scope has none.
    pub lasted: Option<Duration>,
}

impl Transition {
    /// Why the connection closed, if this transition is a close.
    #[must_use]
    pub fn reason(&self) -> Option<CloseReason> {
        self.to.closed().map(|closed| closed.reason)
    }
}

/// One event of a connection.
pub(crate) enum Notice {
    Opened,
    Moved(Transition),
    Rejected(KeyError),
    Unsettled(Option<WaitsFor>),
    Settled(Settled),
}

/// The observer of a scope of connections `C`.
pub(crate) trait Audience<C>: Send + Sync {
    fn tell(&self, connection: Arc<C>, notice: &Notice);

    fn refused(&self, refused: OpenError);

    fn drain(&self, event: &DrainEvent);
}

pub(crate) type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

/// The observer of a scope and its clock.
pub(crate) struct Telemetry<C> {
    /// `None` if the scope has a clock alone, for the ages of its connections.
    audience: Option<Arc<dyn Audience<C>>>,
    clock: Option<Clock>,
}

// All user code runs with no lock held (I8). A panic of it has been reported by the panic hook.
impl<C> Telemetry<C> {
    pub(crate) fn new(audience: Option<Arc<dyn Audience<C>>>, clock: Option<Clock>) -> Self {
        Self { audience, clock }
    }

    pub(crate) fn audience(&self) -> Option<Arc<dyn Audience<C>>> {
        self.audience.clone()
    }

    fn call(&self, f: impl FnOnce(&dyn Audience<C>)) {
        if let Some(audience) = self.audience.as_deref() {
            let _: Result<(), String> = catch_panic(|| f(audience));
        }
    }

    pub(super) fn tell(&self, connection: Arc<C>, notice: &Notice) {
        self.call(|audience| audience.tell(connection, notice));
    }

    pub(crate) fn refused(&self, refused: OpenError) {
        self.call(|audience| audience.refused(refused));
    }

    pub(crate) fn drain(&self, event: &DrainEvent) {
        self.call(|audience| audience.drain(event));
    }

    pub(super) fn now(&self) -> Option<Instant> {
        // The time is unknown if the clock panics.
        self.clock
            .as_ref()
            .and_then(|clock| catch_panic(clock).ok())
    }
}
