//! The asynchronous undo that is running.

use std::task::Waker;

/// The asynchronous undo that is running.
pub(super) struct RunningUndo {
    /// The thread that began it has not returned, and will look whether it has ended.
    pub(super) beginning: bool,
    pub(super) abandoned: bool,
    /// The task that runs it.
    pub(super) task: Option<Waker>,
}

impl RunningUndo {
    pub(super) fn beginning() -> Self {
        Self {
            beginning: true,
            abandoned: false,
            task: None,
        }
    }
}
