//! Tasks of a connection, which end before the undo begins.

use super::Lifecycle;
use crate::sync::lock;

impl Lifecycle {
    /// Lets the unwinding wait for a task; `false` if the connection has closed.
    pub(crate) fn begin_task(&self) -> bool {
        let mut inner = self.lock_to_store();
        // Under the lock, which the unwinding takes after the close.
        let open = self.closed().is_none();
        if open {
            inner.cold().tasks += 1;
        }
        open
    }

    pub(crate) fn end_task(&self) {
        let mut inner = lock(&self.inner);
        let cold = inner.cold();
        cold.tasks -= 1;
        let unwind = cold.tasks == 0 && std::mem::take(&mut cold.waits_for_tasks);
        drop(inner);
        if unwind {
            self.unwind();
        }
    }
}
