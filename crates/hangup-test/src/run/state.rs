//! The state of a run.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hangup::runtime::Entered;

use super::task::{Role, Task};
use crate::client::Client;
use crate::ending::{Case, Order};
use crate::fault::Fault;
use crate::kind::Levels;
use crate::panic::drop_each;
use crate::party::Party;
use crate::plan::{LocalFuture, Plan};
use crate::time::Time;
use crate::trial::{Spawned, Trial};
use crate::waker::{RunWaker, TaskWaker};

/// How often time may pass without another event before the run counts as idle.
pub(super) const TICKS: usize = 2;

/// The same when the run is expected to become idle: one more.
pub(super) const REST_TICKS: usize = 3;

/// How many polls in a row a task gets while others are woken.
pub(super) const TURNS: usize = 100;

/// A shutdown may poll repeatedly whether it can complete.
pub(super) const MOST_TICKS: usize = 250;

/// How often time passes before what is held counts as left for good.
pub(super) const LATE_TICKS: usize = 50;

/// How much measured time may pass until delayed work has run.
pub(super) const GRACE: Duration = Duration::from_secs(60);

/// The name of the tasks on the runtime in the ledger.
pub(super) const RUNTIME: &str = "on the runtime";

/// The task of the first connection's handler.
pub(super) const FIRST: usize = 0;

pub(super) const ONGOING: &str = "the run is not over";

/// The reason why a run cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RunError {
    /// It exceeded the limit of polls.
    Endless,
    /// It did not reach the point in the same way.
    Differs(Differs),
}

/// How a run differs from the undisturbed run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Differs {
    pub(crate) point: usize,
    /// The label of the point in the undisturbed run.
    pub(crate) expected: String,
    /// `None` if the handler did not get there.
    pub(crate) seen: Option<String>,
}

/// A statement at which a case interferes.
pub(crate) struct Due {
    pub(super) case: Case,
    /// The labels of the points up to this one.
    pub(super) usual: Vec<String>,
}

/// What an ending has begun at its point, and what its conclusion needs.
#[derive(Default)]
pub(super) struct Begun {
    pub(super) faults: Vec<Fault>,
    /// The action of the test.
    pub(super) act: Option<usize>,
    pub(super) has_closed: Rc<Cell<bool>>,
    /// The second connection, and how often it was suspended.
    pub(super) second: Option<(usize, usize)>,
    /// Whether the remaining tasks had as many turns as the case asks for.
    pub(super) had_turns: bool,
    /// Whether the first connection has no cause to end.
    pub(super) at_peace: bool,
}

/// A run. Its core is with [`statement`](crate::statement) while user code runs, so that a statement of the
/// user code can be interrupted.
pub(crate) struct Run<E> {
    pub(super) core: Option<Box<Core<E>>>,
}

pub(crate) struct Core<E> {
    pub(super) plan: Rc<Plan<E>>,
    pub(super) trial: Trial,
    /// `None` after the run: the server is dropped with the tasks.
    pub(super) server: Option<E>,
    pub(super) tasks: Vec<Task>,
    pub(super) waker: Arc<RunWaker>,
    pub(super) client: Client,
    /// What the server holds without any connection.
    pub(super) before: Levels,
    /// The labels of the points so far.
    pub(super) points: Vec<String>,
    /// Which of the points are statements.
    pub(super) statements: BTreeSet<usize>,
    /// The tasks whose polls are under way, the innermost last.
    pub(super) running: Vec<usize>,
    /// The statement to be interrupted, and how.
    pub(super) due: Option<Due>,
    /// What the interruption of the statement has begun.
    pub(super) begun: Option<Result<Begun, RunError>>,
    /// The connections that responded while all tasks were idle.
    pub(super) rested: BTreeSet<Party>,
    /// Whether the point is reached at which all tasks are idle.
    pub(super) has_idled: bool,
    /// The points at which the client reads.
    pub(super) reading: BTreeSet<usize>,
    pub(super) polls_left: usize,
    pub(super) order: Order,
    /// Whether more than one task was woken at a time.
    pub(super) had_choice: bool,
    /// The number of tasks on the runtime at the last look.
    pub(super) on_runtime: usize,
    /// The task that was polled last, and how many times in a row.
    pub(super) turns: (usize, usize),
    /// The indexes in which a connection is visible at once.
    pub(super) together: Option<BTreeSet<String>>,
    /// The indexes seen so far, while `together` is unknown.
    pub(super) seen_in: Vec<BTreeSet<String>>,
    /// Whether the connection was responding when the case interfered. `None` before.
    pub(super) interfered: Option<bool>,
    pub(super) tasks_lost: bool,
    pub(super) time: Time,
    /// Dropped last: destructors may use `hangup` too.
    pub(super) _of_hangup: Option<Entered>,
}

impl<E> Deref for Run<E> {
    type Target = Core<E>;

    fn deref(&self) -> &Core<E> {
        self.core.as_ref().expect(ONGOING)
    }
}

impl<E> DerefMut for Run<E> {
    fn deref_mut(&mut self) -> &mut Core<E> {
        self.core.as_mut().expect(ONGOING)
    }
}

impl<E> Drop for Core<E> {
    fn drop(&mut self) {
        // This comes first: a task that a destructor spawns is then not kept.
        let spawned = self.trial.end();
        let tasks: Vec<_> = self.tasks.drain(..).collect();
        let server = self.server.take();
        // A destructor may use the runtime.
        self.time.enter(|| {
            drop_each(tasks);
            drop_each(spawned);
            self.trial.take_apart();
            drop_each(server);
        });
    }
}

impl<E: Clone + 'static> Run<E> {
    pub(super) fn is_pending(&self, task: usize) -> bool {
        self.tasks[task].future.is_some() || self.running.contains(&task)
    }

    pub(super) fn add(
        &mut self,
        party: Party,
        role: Role,
        name: String,
        future: LocalFuture<()>,
    ) -> usize {
        let task = Task {
            party,
            role,
            name,
            serves: false,
            future: Some(future),
            woken: TaskWaker::new(&self.waker),
            suspended: 0,
            waits_at: None,
            after_end: self.trial.ledger().state().ended.contains(&party),
        };
        self.tasks.push(task);
        self.tasks.len() - 1
    }

    pub(super) fn adopt(&mut self) {
        for spawned in self.trial.take_spawned() {
            let Spawned { party, name, .. } = spawned;
            let at = self.add(party, Role::Spawned, name, spawned.task);
            self.tasks[at].serves = spawned.serves;
        }
    }

    pub(super) fn ended(&self, party: Party) {
        self.trial.ledger().ended(party);
    }

    pub(super) fn server(&self) -> E {
        self.server.clone().expect(ONGOING)
    }
}
