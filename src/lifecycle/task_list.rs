//! The tasks of a connection that have not ended.

use std::collections::BTreeMap;
use std::panic::Location;

use super::waits_for::{Name, WaitsFor};

#[derive(Default)]
pub(super) struct Tasks {
    running: BTreeMap<TaskId, Task>,
    next: u64,
}

/// Identifies a task of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskId(u64);

struct Task {
    /// `None` if a close ends the task.
    name: Option<Name>,
    place: &'static Location<'static>,
}

impl Tasks {
    pub(super) fn insert(
        &mut self,
        name: Option<Name>,
        place: &'static Location<'static>,
    ) -> TaskId {
        let id = TaskId(self.next);
        self.next += 1;
        self.running.insert(id, Task { name, place });
        id
    }

    /// The caller drops what is returned after it has released the lock.
    pub(super) fn remove(&mut self, id: TaskId) -> Option<impl Sized + use<>> {
        self.running.remove(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// The oldest task, a named one if there is one.
    pub(super) fn waits_for(&self) -> Option<WaitsFor> {
        let named = self.running.values().find(|task| task.name.is_some());
        let task = named.or_else(|| self.running.values().next())?;
        Some(WaitsFor::Task {
            name: task.name.clone(),
            place: task.place,
        })
    }
}
