//! What a connection reports once it has settled.

use super::Lifecycle;
use super::cell::Inner;
use super::settled::{Settled, UndoCounts};
use crate::state::Closed;
use crate::sync::lock;

impl Lifecycle {
    /// `None` until the connection has settled.
    pub(crate) fn try_settled(&self) -> Option<Settled> {
        let snapshot = self.word().load();
        let closed = snapshot.settled().then(|| snapshot.how_it_closed())?;
        Some(self.report(closed))
    }

    pub(super) fn report(&self, closed: Closed) -> Settled {
        let inner = lock(&self.inner);
        let cold = inner.cold.as_ref();
        Settled {
            closed,
            undos_run: inner.undos_run as usize,
            panics: cold.map_or_else(Vec::new, |cold| cold.panics.clone()),
            abandoned: cold.map_or_else(Vec::new, |cold| cold.abandoned.clone()),
        }
    }
}

impl Inner {
    pub(super) fn undo_counts(&self) -> UndoCounts {
        let cold = self.cold.as_ref();
        UndoCounts {
            run: self.undos_run as usize,
            panics: cold.map_or(0, |cold| cold.panics.len()),
            abandoned: cold.map_or(0, |cold| cold.abandoned.len()),
        }
    }
}
