//! The goodbye of a connection, which comes before the undo.

use std::task::Waker;

use super::Lifecycle;
use super::running_undo::{RunningKind, RunningUndo};
use super::waits_for::{Label, Name};
use crate::sync::lock;

impl Lifecycle {
    /// The owner begins a goodbye. It has the duty to unwind, so no undo is running; unless
    /// the connection had closed before the owner took that duty, and then the goodbye is no
    /// part of it.
    pub(crate) fn begin_farewell(&self, label: Label) {
        if self.word().load().is_owned() {
            let mut inner = self.lock_to_store();
            let running = RunningUndo::new(RunningKind::Farewell, label);
            inner.cold().running_undo = Some(Box::new(running));
            // Under the lock, as for an undo.
            if let Some(timers) = self.timers() {
                timers.undo_begun();
            }
        }
    }

    /// Whether the goodbye is to be cut; if not, `task` is woken when it is.
    pub(crate) fn is_farewell_abandoned(&self, task: &Waker) -> bool {
        self.word().load().is_owned() && self.is_undo_abandoned(task)
    }

    /// The goodbye is over, and dropped. Does nothing if none had begun.
    pub(crate) fn end_farewell(&self, was_cut: bool) {
        if !self.word().load().is_owned() {
            return;
        }
        let mut inner = lock(&self.inner);
        let Some(ended) = inner
            .cold
            .as_mut()
            .and_then(|cold| cold.running_undo.take())
        else {
            return;
        };
        if was_cut {
            inner.cold().abandoned.push(ended.label.name.to_string());
        }
        drop(inner);
        // The drop of a waker runs code of the executor.
        self.catch_panic(|| drop(ended));
    }

    /// Work that was to run to its end was cut.
    pub(crate) fn record_abandoned(&self, name: Name) {
        let mut inner = self.lock_to_store();
        inner.cold().abandoned.push(name.into_owned());
    }
}
