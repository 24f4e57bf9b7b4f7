//! An observer that records metrics through the facade `metrics`.

use metrics::{
    SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::error::{KeyError, OpenError};
use crate::lifecycle::observer::Observer;
use crate::lifecycle::settled::Settled;
use crate::lifecycle::telemetry::{DrainEvent, Transition};
use crate::lifecycle::{Handle, WaitsFor};
use crate::state::{Phase, State};

/// Records metrics of all connections of a scope through the facade [`metrics`], with the
/// recorder that is installed when they are recorded.
///
/// All have the label `scope`, if the observer was [given](Self::of) one.
///
/// | metric | kind | labels |
/// |---|---|---|
/// | `hangup_connections` | gauge | `phase`: `pending`, `registering`, `live`, or `settling` for closed and not settled |
/// | `hangup_opened_total` | counter | |
/// | `hangup_closed_total` | counter | `reason`, and the `phase` that it ended; `app` for every code of the application |
/// | `hangup_phase_seconds` | histogram | `phase`; if the scope has a [clock](crate::ScopeBuilder::clock) |
/// | `hangup_refused_total` | counter | `reason`: `full`, `draining` or `no_runtime` |
/// | `hangup_rejected_total` | counter | `reason`: why a registry refused a place |
/// | `hangup_undos_total`, `hangup_panics_total`, `hangup_undos_abandoned_total` | counters | |
/// | `hangup_unsettled_total` | counter | closed for [long](crate::ScopeBuilder::unsettled_after), and not settled |
/// | `hangup_draining` | gauge | 1 from the begin of a drain |
/// | `hangup_drained_total` | counter | `outcome`: `closed`, `forced` or `unsettled`; when the drain is over |
///
/// A gauge or a counter is there once it has been recorded: `hangup_draining` from the begin of a
/// drain. An exporter of Prometheus makes a summary of the histogram unless it is given buckets.
///
/// # Examples
///
/// ```
/// use std::time::Instant;
/// use hangup::{Scope, observers::MetricsObserver};
///
/// let scope = Scope::builder()
///     .observer(MetricsObserver::of("events"))
///     .clock(Instant::now)
///     .build();
/// # let _ = scope;
/// ```
#[derive(Debug, Clone, Default)]
pub struct MetricsObserver {
    scope: Option<SharedString>,
}

impl MetricsObserver {
    /// An observer whose metrics have no label `scope`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An observer whose metrics have this label `scope`.
    #[must_use]
    pub fn of(scope: impl Into<SharedString>) -> Self {
        Self {
            scope: Some(scope.into()),
        }
    }

    /// Describes the metrics to the recorder that is installed now: for their `HELP` lines.
    pub fn describe(&self) {
        describe_gauge!("hangup_connections", "Connections by phase");
        describe_counter!("hangup_opened_total", "Connections that were admitted");
        describe_counter!(
            "hangup_closed_total",
            "Connections that were closed, by reason and phase"
        );
        describe_histogram!(
            "hangup_phase_seconds",
            Unit::Seconds,
            "Time that a phase lasted"
        );
        describe_counter!("hangup_refused_total", "Connections that were refused");
        describe_counter!(
            "hangup_rejected_total",
            "Places under a key that were refused"
        );
        describe_counter!("hangup_undos_total", "Undos that have run");
        describe_counter!(
            "hangup_panics_total",
            "Panics of undos and other code of connections"
        );
        describe_counter!(
            "hangup_undos_abandoned_total",
            "Asynchronous undos that were abandoned"
        );
        describe_counter!(
            "hangup_unsettled_total",
            "Connections that did not settle in time"
        );
        describe_gauge!("hangup_draining", "Whether a drain has begun");
        describe_counter!(
            "hangup_drained_total",
            "Connections at the end of a drain, by outcome"
        );
    }

    fn labels<const N: usize>(
        &self,
        labels: [(&'static str, &'static str); N],
    ) -> Vec<metrics::Label> {
        let scope = self.scope.iter();
        let scope = scope.map(|scope| metrics::Label::new("scope", scope.clone()));
        let labels = labels.map(|(key, value)| metrics::Label::from_static_parts(key, value));
        scope.chain(labels).collect()
    }

    fn count<const N: usize>(
        &self,
        name: &'static str,
        labels: [(&'static str, &'static str); N],
        by: usize,
    ) {
        if by > 0 {
            counter!(name, self.labels(labels)).increment(by as u64);
        }
    }

    fn connections(&self, phase: &'static str) -> metrics::Gauge {
        gauge!("hangup_connections", self.labels([("phase", phase)]))
    }
}

const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "pending",
        Phase::Registering => "registering",
        Phase::Live => "live",
    }
}

const SETTLING: &str = "settling";

impl Observer for MetricsObserver {
    fn on_open(&self, _: &Handle) {
        self.count("hangup_opened_total", [], 1);
        self.connections(phase(Phase::Pending)).increment(1);
    }

    fn on_transition(&self, _: &Handle, transition: &Transition) {
        let from = phase(transition.from);
        self.connections(from).decrement(1);
        let to = transition.to.phase().map_or(SETTLING, phase);
        self.connections(to).increment(1);
        if let Some(lasted) = transition.lasted {
            histogram!("hangup_phase_seconds", self.labels([("phase", from)])).record(lasted);
        }
        if let State::Closed(closed) = transition.to {
            let labels = [("reason", closed.reason.name()), ("phase", from)];
            self.count("hangup_closed_total", labels, 1);
        }
    }

    fn on_rejected(&self, _: &Handle, refusal: &KeyError) {
        let reason = match refusal {
            KeyError::Taken => "taken",
            KeyError::Full => "full",
            KeyError::Settling => "settling",
            KeyError::Held { .. } => "held",
            KeyError::TimedOut => "timed_out",
            _ => "other",
        };
        self.count("hangup_rejected_total", [("reason", reason)], 1);
    }

    fn on_settled(&self, _: &Handle, settled: &Settled) {
        self.connections(SETTLING).decrement(1);
        self.count("hangup_undos_total", [], settled.undos_run);
        self.count("hangup_panics_total", [], settled.panics.len());
        self.count("hangup_undos_abandoned_total", [], settled.abandoned.len());
    }

    fn on_unsettled(&self, _: &Handle, _: Option<&WaitsFor>) {
        self.count("hangup_unsettled_total", [], 1);
    }

    fn on_refused(&self, refused: OpenError) {
        let reason = match refused {
            OpenError::Full => "full",
            OpenError::Draining => "draining",
            OpenError::NoRuntime => "no_runtime",
            OpenError::Closed(_) => "closed",
        };
        self.count("hangup_refused_total", [("reason", reason)], 1);
    }

    fn on_drain(&self, event: &DrainEvent) {
        match *event {
            DrainEvent::Begun => gauge!("hangup_draining", self.labels([])).set(1),
            DrainEvent::Done {
                closed,
                forced,
                unsettled,
            } => {
                for (outcome, count) in [
                    ("closed", closed),
                    ("forced", forced),
                    ("unsettled", unsettled),
                ] {
                    self.count("hangup_drained_total", [("outcome", outcome)], count);
                }
            }
            DrainEvent::Batch { .. } | DrainEvent::Forced { .. } => {}
        }
    }
}
