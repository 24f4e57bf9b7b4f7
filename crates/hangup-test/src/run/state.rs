//! The state of a run.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::task::{Role, Task};
use crate::client::Client;
use crate::ending::Order;
use crate::kind::Levels;
use crate::panic::drop_each;
use crate::party::Party;
use crate::plan::{LocalFuture, Plan};
use crate::time::Time;
use crate::trial::{Spawned, Trial};
use crate::waker::{RunWaker, TaskWaker};

/// How often time passes while nothing else happens, before that counts as rest.
pub(super) const TICKS: usize = 2;

/// How often when it is known that it should rest: once more.
pub(super) const REST_TICKS: usize = 3;

/// How many turns one task has in a row while others wait for theirs.
pub(super) const TURNS: usize = 100;

/// A server may look again and again whether it can exit.
pub(super) const MOST_TICKS: usize = 250;

/// How often time passes before what is left is left for good.
pub(super) const LATE_TICKS: usize = 50;

/// For how long something may be done later, where time has a measure.
pub(super) const GRACE: Duration = Duration::from_secs(60);

/// Where tasks are that are not the trial's.
pub(super) const RUNTIME: &str = "on the runtime";

/// The first connection, whose handler is the first task.
pub(super) const FIRST: usize = 0;

pub(super) const ONGOING: &str = "the run is not over";

/// It cannot be told what would happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RunError {
    /// It goes on and on.
    Endless,
    /// It did not come to the same point.
    Differs { point: usize },
}

pub(crate) struct Run<'p, E> {
    pub(super) plan: &'p Plan<E>,
    pub(super) trial: Trial,
    /// Until the run is over: it is dropped with the tasks.
    pub(super) server: Option<E>,
    pub(super) tasks: Vec<Task>,
    pub(super) waker: Arc<RunWaker>,
    pub(super) client: Client,
    /// What the server holds without any connection.
    pub(super) before: Levels,
    /// Where the handler has been suspended, by label.
    pub(super) points: Vec<String>,
    pub(super) polls_left: usize,
    pub(super) order: Order,
    /// Who had the last turn, and how many in a row, of those that matter.
    pub(super) turns: (usize, usize),
    /// The indexes in which a connection is found at once.
    pub(super) together: Option<BTreeSet<String>>,
    /// In which it was found, until these are known.
    pub(super) seen_in: Vec<BTreeSet<String>>,
    /// Something has happened to the connection, and whether it responded then.
    pub(super) interfered: Option<bool>,
    pub(super) tasks_lost: bool,
    pub(super) time: Time,
}

impl<E> Drop for Run<'_, E> {
    fn drop(&mut self) {
        // First, so that nothing is spawned by what is dropped, and kept.
        let spawned = self.trial.end();
        let tasks: Vec<_> = self.tasks.drain(..).collect();
        let server = self.server.take();
        // What is dropped may look for the runtime.
        self.time.enter(|| {
            drop_each(tasks);
            drop_each(spawned);
            self.trial.take_apart();
            drop_each(server);
        });
    }
}

impl<E: Clone + 'static> Run<'_, E> {
    pub(super) fn is_pending(&self, task: usize) -> bool {
        self.tasks[task].future.is_some()
    }

    pub(super) fn add(
        &mut self,
        party: Party,
        role: Role,
        name: String,
        future: LocalFuture<()>,
    ) -> usize {
        self.tasks.push(Task {
            party,
            role,
            name,
            future: Some(future),
            woken: TaskWaker::new(&self.waker),
            suspended: 0,
            waits_at: None,
            after_end: self.trial.ledger().state().ended.contains(&party),
        });
        self.tasks.len() - 1
    }

    pub(super) fn adopt(&mut self) {
        for Spawned { party, name, task } in self.trial.take_spawned() {
            self.add(party, Role::Spawned, format!("spawned at {name}"), task);
        }
    }

    pub(super) fn ended(&self, party: Party) {
        self.trial.ledger().ended(party);
    }

    pub(super) fn server(&self) -> E {
        self.server.clone().expect(ONGOING)
    }
}
