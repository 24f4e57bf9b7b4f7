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
    pub(super) future: Option<LocalFuture<()>>,
    pub(super) woken: Arc<TaskWaker>,
    pub(super) suspended: usize,
    /// Where it waits, if it said so.
    pub(super) waits_at: Option<Waits>,
    /// It was spawned for a connection that had ended.
    pub(super) after_end: bool,
}

impl Task {
    /// It was spawned for a connection, and has not ended.
    pub(super) fn is_left(&self) -> bool {
        self.role == Role::Spawned && self.party != Party::Server && self.future.is_some()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Handler,
    /// What somebody spawned.
    Spawned,
    /// What the kit does to the server.
    Act,
}
