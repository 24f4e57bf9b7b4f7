//! The application's observer of every transition.

use std::sync::Arc;

use super::settled::Settled;
use super::telemetry::{Audience, DrainEvent, Notice, Transition};
use super::{Handle, Lifecycle, WaitsFor};
use crate::error::{KeyError, OpenError};
use crate::panic::catch_panic;

/// Is told of every transition of every connection of a [`Scope`](crate::Scope): for
/// logs, metrics and tests.
///
/// The events of one connection come in order and one at a time: first
/// [`on_open`](Self::on_open), then each transition and each refusal of a
/// [place under a key](Self::on_rejected), then [`on_settled`](Self::on_settled). The events
/// of two connections may come at the same time.
///
/// A call comes right after the transition took effect and before anything is woken or
/// undone, on the thread that made the transition. There is one exception: if a call for
/// the same connection is already running (on another thread, or re-entrantly), the event
/// is queued and delivered by that call after it returns; `close` does not wait for it. So
/// the [`Handle`] of an event may be further than the event: its state is that of the
/// instant in which it is asked.
///
/// No lock is held: an observer may use this crate in any way, but should not block. A
/// panic of an observer reaches no other code. An observer that keeps its scope, or a handle,
/// keeps the scope alive, and itself, as long as it does: keep [ids](Handle::id).
///
/// Closures of a [`&Handle`](Handle) and a [`&Transition`](Transition) are observers, and so
/// are an `Arc` of one and a pair of two.
///
/// # Examples
///
/// ```
/// use hangup::report::Transition;
/// use hangup::report::Settled;
/// use hangup::{CloseReason, Handle, KeyError, Observer, Scope};
///
/// struct Log;
///
/// impl Observer for Log {
///     fn on_transition(&self, connection: &Handle, transition: &Transition) {
///         println!("{}: {} to {}", connection.id(), transition.from, transition.to);
///     }
///
///     fn on_rejected(&self, connection: &Handle, refusal: &KeyError) {
///         println!("{}: {refusal}", connection.id());
///     }
///
///     fn on_settled(&self, connection: &Handle, settled: &Settled) {
///         println!("{}: {} undone", connection.id(), settled.undos_run);
///     }
/// }
///
/// let scope = Scope::builder().observer(Log).build();
/// scope.open()?.close(CloseReason::Completed)?;
/// # Ok::<(), hangup::Error>(())
/// ```
#[expect(unused_variables, reason = "the parameters are named for the docs")]
pub trait Observer: Send + Sync {
    /// A connection has been admitted. Does nothing unless it is overridden.
    fn on_open(&self, connection: &Handle) {}

    /// A connection has gone from one state to the next.
    fn on_transition(&self, connection: &Handle, transition: &Transition);

    /// A registry has refused the connection a place under a key, and nothing has changed: as
    /// [`Taken`](KeyError::Taken), [`Full`](KeyError::Full), [`Settling`](KeyError::Settling),
    /// [`Held`](KeyError::Held) or [`TimedOut`](KeyError::TimedOut). Does nothing unless it is
    /// overridden.
    fn on_rejected(&self, connection: &Handle, refusal: &KeyError) {}

    /// Everything that a connection acquired is undone, and
    /// [`Handle::settled`](crate::Handle::settled) resolves right after this call; or, if
    /// [`close_all`](crate::Scope::close_all) ends others with it, right after the calls for all
    /// of these; or, if this call was queued behind an earlier one, may have resolved. Does
    /// nothing unless it is overridden.
    fn on_settled(&self, connection: &Handle, settled: &Settled) {}

    /// A connection has been closed for the [time](crate::ScopeBuilder::unsettled_after) that the
    /// scope was given, and has not settled. `waits_for` is what it waits for; `None` if a
    /// synchronous undo runs. Told once, by a sweep, in the order of the other events. Does
    /// nothing unless it is overridden.
    fn on_unsettled(&self, connection: &Handle, waits_for: Option<&WaitsFor>) {}

    /// A scope has refused to open a connection, as [`Full`](OpenError::Full) or as
    /// [`Draining`](OpenError::Draining). Does nothing unless it is overridden.
    fn on_refused(&self, refused: OpenError) {}

    /// A drain has come to its next point. Does nothing unless it is overridden.
    fn on_drain(&self, event: &DrainEvent) {}
}

impl<F> Observer for F
where
    F: Fn(&Handle, &Transition) + Send + Sync,
{
    fn on_transition(&self, connection: &Handle, transition: &Transition) {
        self(connection, transition);
    }
}

impl<O> Observer for Arc<O>
where
    O: Observer + ?Sized,
{
    fn on_open(&self, connection: &Handle) {
        (**self).on_open(connection);
    }

    fn on_transition(&self, connection: &Handle, transition: &Transition) {
        (**self).on_transition(connection, transition);
    }

    fn on_rejected(&self, connection: &Handle, refusal: &KeyError) {
        (**self).on_rejected(connection, refusal);
    }

    fn on_settled(&self, connection: &Handle, settled: &Settled) {
        (**self).on_settled(connection, settled);
    }

    fn on_unsettled(&self, connection: &Handle, waits_for: Option<&WaitsFor>) {
        (**self).on_unsettled(connection, waits_for);
    }

    fn on_refused(&self, refused: OpenError) {
        (**self).on_refused(refused);
    }

    fn on_drain(&self, event: &DrainEvent) {
        (**self).on_drain(event);
    }
}

/// Tells both, the first one first. A panic of one does not keep the other from being told.
impl<A, B> Observer for (A, B)
where
    A: Observer,
    B: Observer,
{
    fn on_open(&self, connection: &Handle) {
        both(|| self.0.on_open(connection), || self.1.on_open(connection));
    }

    fn on_transition(&self, connection: &Handle, transition: &Transition) {
        both(
            || self.0.on_transition(connection, transition),
            || self.1.on_transition(connection, transition),
        );
    }

    fn on_rejected(&self, connection: &Handle, refusal: &KeyError) {
        both(
            || self.0.on_rejected(connection, refusal),
            || self.1.on_rejected(connection, refusal),
        );
    }

    fn on_settled(&self, connection: &Handle, settled: &Settled) {
        both(
            || self.0.on_settled(connection, settled),
            || self.1.on_settled(connection, settled),
        );
    }

    fn on_unsettled(&self, connection: &Handle, waits_for: Option<&WaitsFor>) {
        both(
            || self.0.on_unsettled(connection, waits_for),
            || self.1.on_unsettled(connection, waits_for),
        );
    }

    fn on_refused(&self, refused: OpenError) {
        both(|| self.0.on_refused(refused), || self.1.on_refused(refused));
    }

    fn on_drain(&self, event: &DrainEvent) {
        both(|| self.0.on_drain(event), || self.1.on_drain(event));
    }
}

/// The panic hook has reported a panic, which goes no further.
fn both(first: impl FnOnce(), second: impl FnOnce()) {
    for panicked in [catch_panic(first), catch_panic(second)] {
        drop(panicked);
    }
}

/// The audience that an observer is.
pub(crate) struct Observing<O>(pub(crate) O);

impl<O: Observer> Audience<Lifecycle> for Observing<O> {
    fn tell(&self, connection: Arc<Lifecycle>, notice: &Notice) {
        let connection = &Handle::new(connection);
        match notice {
            Notice::Opened => self.0.on_open(connection),
            Notice::Moved(transition) => self.0.on_transition(connection, transition),
            Notice::Rejected(refusal) => self.0.on_rejected(connection, refusal),
            Notice::Unsettled(waits_for) => {
                self.0.on_unsettled(connection, waits_for.as_ref());
            }
            Notice::Settled(settled) => self.0.on_settled(connection, settled),
        }
    }

    fn refused(&self, refused: OpenError) {
        self.0.on_refused(refused);
    }

    fn drain(&self, event: &DrainEvent) {
        self.0.on_drain(event);
    }
}
