//! What a connection reports once it has settled.

use super::Lifecycle;
use super::cell::Inner;
use super::running_undo::RunningKind;
use super::settled::{Settled, UndoCounts};
use super::waits_for::{Label, WaitsFor};
use crate::state::Closed;
use crate::sync::lock;

impl Lifecycle {
    /// `None` until the connection has settled.
    pub(crate) fn try_settled(&self) -> Option<Settled> {
        let snapshot = self.word().load();
        let closed = snapshot.settled().then(|| snapshot.how_it_closed())?;
        Some(self.report(closed))
    }

    /// How the undos went that have run so far; `None` while the connection is open.
    pub(crate) fn so_far(&self) -> Option<Settled> {
        self.closed().map(|closed| self.report(closed))
    }

    /// What the connection waits for, if it has closed and has not settled.
    pub(crate) fn waits_for(&self) -> Option<WaitsFor> {
        let inner = lock(&self.inner);
        let snapshot = self.word().load();
        if !snapshot.is_closed() || snapshot.settled() {
            return None;
        }
        let cold = inner.cold.as_ref();
        let running = cold.and_then(|cold| cold.running_undo.as_ref());
        if let Some(running) = running {
            let Label { name, place } = running.label.clone();
            return Some(match running.kind {
                RunningKind::Farewell => WaitsFor::Farewell(place),
                RunningKind::Undo | RunningKind::Last => WaitsFor::Undo { name, place },
            });
        }
        if snapshot.is_owned() {
            return Some(WaitsFor::Owner { step: inner.step });
        }
        // `None` if a synchronous undo is running.
        cold.and_then(|cold| cold.tasks.as_ref()?.waits_for())
    }

    pub(super) fn report(&self, closed: Closed) -> Settled {
        let inner = lock(&self.inner);
        let cold = inner.cold.as_ref();
        Settled {
            closed,
            undos_run: inner.progress.unwinding().undos_run(),
            panics: cold.map_or_else(Vec::new, |cold| cold.panics.clone()),
            abandoned: cold.map_or_else(Vec::new, |cold| cold.abandoned.clone()),
        }
    }
}

impl Inner {
    pub(super) fn undo_counts(&self) -> UndoCounts {
        let cold = self.cold.as_ref();
        UndoCounts {
            run: self.progress.unwinding().undos_run(),
            panics: cold.map_or(0, |cold| cold.panics.len()),
            abandoned: cold.map_or(0, |cold| cold.abandoned.len()),
        }
    }
}
