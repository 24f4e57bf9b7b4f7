//! The asynchronous undo that is running.

use std::task::Waker;

use super::undos::Undo;
use super::waits_for::Label;

/// The asynchronous undo, or the goodbye, that is running.
pub(super) struct RunningUndo {
    pub(super) label: Label,
    pub(super) kind: RunningKind,
    /// The thread that began it has not returned, and will look whether it has ended.
    pub(super) beginning: bool,
    pub(super) abandoned: bool,
    /// The task that runs it.
    pub(super) task: Option<Waker>,
    /// It waits for a slot, and has not begun.
    pub(super) queued: Option<Box<dyn Undo>>,
    pub(super) has_slot: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunningKind {
    Undo,
    /// The undo that runs last, and is abandoned last.
    Last,
    /// Comes before the undos, while the owner has the duty to unwind.
    Farewell,
}

impl RunningUndo {
    pub(super) fn new(kind: RunningKind, label: Label) -> Self {
        Self {
            label,
            kind,
            beginning: kind != RunningKind::Farewell,
            abandoned: false,
            task: None,
            queued: None,
            has_slot: false,
        }
    }
}
