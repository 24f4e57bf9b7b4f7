//! The span in which the user code of a connection runs.

use std::sync::Arc;

use tracing::Span;
use tracing::span::EnteredSpan;

use super::Lifecycle;

impl Lifecycle {
    /// User code of the connection runs in `span` from now on; in none if that is `None`.
    pub(crate) fn set_span(&self, span: Option<Span>) {
        if let Some(events) = self.events() {
            // Its drop is code of a subscriber, so it is dropped after the lock (I8).
            drop(events.replace_span(span.map(Arc::new)));
        }
    }

    /// The connection has this label from now on.
    pub(super) fn record_label(&self, label: &str) {
        if let Some(span) = self.span() {
            span.record("label", label);
        }
    }

    /// In an `Arc`, since a clone of a span is code of a subscriber (I8).
    fn span(&self) -> Option<Arc<Span>> {
        self.events()?.span()
    }

    /// Enters the span until the value is dropped.
    #[inline]
    pub(crate) fn enter_span(&self) -> Option<EnteredSpan> {
        let span = self.span()?;
        Some(Span::clone(&span).entered())
    }
}
