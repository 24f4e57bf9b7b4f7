//! An observer that emits events, for `tracing`.

use tracing::{debug, trace, warn};

use crate::id::ConnectionId;
use crate::observer::{Observer, Transition};
use crate::settled::Settled;

/// Emits an event of `tracing` for whatever happens to a connection, under the target
/// `hangup`.
///
/// | level | message | fields besides `connection` |
/// |---|---|---|
/// | `TRACE` | `opened` | |
/// | `DEBUG` | `transition` | `from`, `to`, `reason` if closed, `lasted` if there is a clock |
/// | `TRACE` | `settled` | `undone` |
/// | `WARN` | `undo panicked` | `panic`; one for each |
/// | `WARN` | `undo unfinished` | `undo`, the name of an asynchronous one; one for each |
///
/// # Examples
///
/// ```
/// use std::time::Instant;
/// use hangup::{Scope, TracingObserver};
///
/// let scope = Scope::builder()
///     .observer(TracingObserver::new())
///     .clock(Instant::now)
///     .build();
/// # let _ = scope;
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct TracingObserver;

impl TracingObserver {
    /// One that emits as the table says.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Observer for TracingObserver {
    fn on_open(&self, id: ConnectionId) {
        trace!(target: "hangup", connection = %id, "opened");
    }

    fn on_transition(&self, transition: &Transition) {
        let reason = transition.reason();
        debug!(
            target: "hangup",
            connection = %transition.id,
            from = %transition.from,
            to = %transition.to,
            reason = reason.map(tracing::field::display),
            lasted = transition.lasted.map(tracing::field::debug),
            "transition",
        );
    }

    fn on_settled(&self, id: ConnectionId, settled: &Settled) {
        for panic in &settled.panics {
            warn!(target: "hangup", connection = %id, panic, "undo panicked");
        }
        for undo in &settled.unfinished {
            warn!(target: "hangup", connection = %id, undo, "undo unfinished");
        }
        trace!(target: "hangup", connection = %id, undone = settled.undone, "settled");
    }
}
