//! An observer that emits `tracing` events.

use tracing::field::Empty;
use tracing::{debug, info_span, trace, warn};

use crate::error::{KeyError, OpenError};
use crate::lifecycle::observer::Observer;
use crate::lifecycle::settled::Settled;
use crate::lifecycle::telemetry::{DrainEvent, Transition};
use crate::lifecycle::{Handle, WaitsFor};

/// Emits a `tracing` event for each event of a connection, for each refusal and for each
/// point of a drain, and gives each connection a span, all under the target `hangup`.
///
/// The span is called `connection`, has the level `INFO` and the fields `connection`, the id,
/// and `label`, once the connection has [one](crate::Pending::label). Its parent is the span in
/// which the connection is opened, that of a request for example. The steps, streams, bodies,
/// loops, tasks and undos of the connection run in it, and so do the handlers behind
/// `hangup::layer`; the events of the table are in it from `transition` on. It ends when the
/// connection has settled.
///
/// | level | message | fields besides `connection` |
/// |---|---|---|
/// | `TRACE` | `opened` | |
/// | `DEBUG` | `transition` | `from`, `to`, `reason` if closed, `lasted` if there is a clock |
/// | `DEBUG` | `rejected` | `error`: why a registry refused it a place |
/// | `TRACE` | `settled` | `undos_run` |
/// | `WARN` | `undo panicked` | `panic`; one event for each panic |
/// | `WARN` | `undo abandoned` | `undo`, the name; one event for each abandoned undo |
/// | `WARN` | `unsettled` | `waits_for` |
/// | `DEBUG` | `refused` | `error`; no `connection` |
/// | `DEBUG` | `drain` | `event`, the [`DrainEvent`]; no `connection` |
///
/// # Examples
///
/// ```
/// use std::time::Instant;
/// use hangup::{Scope, observers::TracingObserver};
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
    /// An observer that emits the events of the table.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Observer for TracingObserver {
    fn on_open(&self, connection: &Handle) {
        let id = connection.id();
        let span = info_span!(target: "hangup", "connection", connection = %id, label = Empty);
        connection.lifecycle().set_span(Some(span));
        trace!(target: "hangup", connection = %id, "opened");
    }

    fn on_transition(&self, connection: &Handle, transition: &Transition) {
        let _entered = connection.lifecycle().enter_span();
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

    fn on_rejected(&self, connection: &Handle, refusal: &KeyError) {
        let _entered = connection.lifecycle().enter_span();
        debug!(target: "hangup", connection = %connection.id(), error = %refusal, "rejected");
    }

    fn on_settled(&self, connection: &Handle, settled: &Settled) {
        let (id, entered) = (connection.id(), connection.lifecycle().enter_span());
        for panic in &settled.panics {
            warn!(target: "hangup", connection = %id, panic, "undo panicked");
        }
        for undo in &settled.abandoned {
            warn!(target: "hangup", connection = %id, undo, "undo abandoned");
        }
        trace!(target: "hangup", connection = %id, undos_run = settled.undos_run, "settled");
        drop(entered);
        connection.lifecycle().set_span(None);
    }

    fn on_unsettled(&self, connection: &Handle, waits_for: Option<&WaitsFor>) {
        let _entered = connection.lifecycle().enter_span();
        let id = connection.id();
        match waits_for {
            Some(waits_for) => {
                warn!(target: "hangup", connection = %id, %waits_for, "unsettled");
            }
            None => {
                let waits_for = "a synchronous undo";
                warn!(target: "hangup", connection = %id, waits_for, "unsettled");
            }
        }
    }

    fn on_refused(&self, refused: OpenError) {
        debug!(target: "hangup", error = %refused, "refused");
    }

    fn on_drain(&self, event: &DrainEvent) {
        debug!(target: "hangup", ?event, "drain");
    }
}
