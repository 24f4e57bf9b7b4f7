//! Tasks of a connection, which end before the undo begins.

use std::panic::Location;

use super::Lifecycle;
use super::task_list::TaskId;
use super::waits_for::Name;
use crate::sync::lock;

impl Lifecycle {
    /// Lets the unwinding wait for a task; `None` if the connection has closed. A task with
    /// a name runs to its end.
    pub(crate) fn begin_task(
        &self,
        name: Option<Name>,
        place: &'static Location<'static>,
    ) -> Option<TaskId> {
        let mut inner = self.lock_to_store();
        // Under the lock, which the unwinding takes after the close.
        let open = self.closed().is_none();
        open.then(|| {
            let tasks = inner.cold().tasks.get_or_insert_default();
            tasks.insert(name, place)
        })
    }

    pub(crate) fn end_task(&self, id: TaskId) {
        let mut inner = lock(&self.inner);
        let cold = inner.cold();
        let tasks = cold.tasks.as_mut().expect("it has begun");
        let ended = tasks.remove(id);
        let unwind = tasks.is_empty() && std::mem::take(&mut cold.waits_for_tasks);
        drop(inner);
        drop(ended);
        if unwind {
            self.unwind();
        }
    }
}
