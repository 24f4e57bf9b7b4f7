//! The tasks of a run.

use std::sync::Arc;

use crate::party::Party;
use crate::plan::LocalFuture;
use crate::trial::Waits;
use crate::waker::TaskWaker;

pub(super) struct Task {
    pub(super) party: Party,
    pub(super) role: Role,
    pub(super) name: String,
    /// Whether it runs the handler of a connection.
    pub(super) serves: bool,
    pub(super) future: Option<LocalFuture<()>>,
    pub(super) woken: Arc<TaskWaker>,
    pub(super) suspended: usize,
    /// The label of the wait, if the task waits at a point of the trial.
    pub(super) waits_at: Option<Waits>,
    /// Whether it was spawned for a connection that had ended.
    pub(super) after_end: bool,
}

impl Task {
    /// Returns `true` if it was spawned for a connection and has not ended.
    pub(super) fn is_left(&self) -> bool {
        self.role == Role::Spawned && self.party != Party::Server && self.future.is_some()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Handler,
    /// A task that user code spawned.
    Spawned,
    /// An action of the test on the server.
    Act,
}
