//! The application's observer of every transition.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::settled::Settled;
use crate::error::OpenError;
use crate::id::ConnectionId;
use crate::panic::catch_panic;
use crate::state::{CloseReason, Phase, State};

/// Is told of every transition of every connection of a [`Scope`](crate::Scope): for
/// logs, metrics and tests.
///
/// The events of one connection come in order and one at a time: first
/// [`on_open`](Self::on_open), then each transition, then
/// [`on_settled`](Self::on_settled). The events of two connections may come at the same
/// time.
///
/// A call comes right after the transition took effect and before anything is woken or
/// undone, on the thread that made the transition. There is one exception: if a call for
/// the same connection is already running (on another thread, or re-entrantly), the event
/// is queued and delivered by that call after it returns; `close` does not wait for it.
///
/// No lock is held: an observer may use this crate in any way, but should not block. A
/// panic of an observer reaches no other code. An observer that captures its scope keeps
/// both alive for ever.
///
/// Closures of [`&Transition`](Transition) are observers, and so is an `Arc` of one.
pub trait Observer: Send + Sync {
    /// A connection has been admitted. Does nothing unless it is overridden.
    #[expect(unused_variables, reason = "named for the docs")]
    fn on_open(&self, id: ConnectionId) {}

    /// A connection has gone from one state to the next.
    fn on_transition(&self, transition: &Transition);

    /// Everything that a connection acquired is undone, and
    /// [`Handle::settled`](crate::Handle::settled) resolves right after this call, or, if
    /// this call was queued behind an earlier one, may have resolved. Does nothing unless
    /// it is overridden.
    #[expect(unused_variables, reason = "named for the docs")]
    fn on_settled(&self, id: ConnectionId, settled: &Settled) {}

    /// A scope has refused to open a connection, as [`Full`](OpenError::Full) or as
    /// [`Draining`](OpenError::Draining). Does nothing unless it is overridden.
    #[expect(unused_variables, reason = "named for the docs")]
    fn on_refused(&self, refused: OpenError) {}

    /// A drain has come to its next point. Does nothing unless it is overridden.
    #[expect(unused_variables, reason = "named for the docs")]
    fn on_drain(&self, event: &DrainEvent) {}
}

impl<F> Observer for F
where
    F: Fn(&Transition) + Send + Sync,
{
    fn on_transition(&self, transition: &Transition) {
        self(transition);
    }
}

impl<O> Observer for Arc<O>
where
    O: Observer + ?Sized,
{
    fn on_open(&self, id: ConnectionId) {
        (**self).on_open(id);
    }

    fn on_transition(&self, transition: &Transition) {
        (**self).on_transition(transition);
    }

    fn on_settled(&self, id: ConnectionId, settled: &Settled) {
        (**self).on_settled(id, settled);
    }

    fn on_refused(&self, refused: OpenError) {
        (**self).on_refused(refused);
    }

    fn on_drain(&self, event: &DrainEvent) {
        (**self).on_drain(event);
    }
}

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

pub(crate) type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

/// The observer of a scope and its clock.
pub(crate) struct Telemetry {
    pub(super) observer: Box<dyn Observer>,
    clock: Option<Clock>,
}

impl Telemetry {
    pub(crate) fn new(observer: Box<dyn Observer>, clock: Option<Clock>) -> Self {
        Self { observer, clock }
    }

    /// With no lock held (I8). A panic has been reported by the panic hook.
    pub(crate) fn refused(&self, refused: OpenError) {
        let _: Result<(), String> = catch_panic(|| self.observer.on_refused(refused));
    }

    /// With no lock held (I8).
    pub(crate) fn drain(&self, event: &DrainEvent) {
        let _: Result<(), String> = catch_panic(|| self.observer.on_drain(event));
    }

    pub(super) fn now(&self) -> Option<Instant> {
        // The time is unknown if the clock panics.
        self.clock
            .as_ref()
            .and_then(|clock| catch_panic(clock).ok())
    }
}
