//! Work that has to end before the undo begins.

use super::Lifecycle;
use crate::sync::lock;

impl Lifecycle {
    /// Lets the unwinding wait for a task; `false` if it is too late.
    pub(crate) fn begin_task(&self) -> bool {
        let mut parts = self.fill_parts();
        // Under the lock, which the unwinding takes after the close.
        let open = self.closed().is_none();
        if open {
            parts.slow().tasks += 1;
        }
        open
    }

    pub(crate) fn end_task(&self) {
        let mut parts = lock(&self.parts);
        let slow = parts.slow();
        slow.tasks -= 1;
        let unwind = slow.tasks == 0 && std::mem::take(&mut slow.waits_for_tasks);
        drop(parts);
        if unwind {
            self.unwind();
        }
    }
}
