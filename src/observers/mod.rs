//! Ready observers: for logs and spans, with the feature `tracing`, and for metrics, with the
//! feature `metrics`.
//!
//! Two of them are one as a pair: `(TracingObserver::new(), MetricsObserver::new())`.

#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "tracing")]
mod tracing;

#[cfg(feature = "metrics")]
pub use metrics::MetricsObserver;
#[cfg(feature = "tracing")]
pub use tracing::TracingObserver;
