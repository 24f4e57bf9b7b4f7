//! One run of a server with one connection, or two, and what happens to them.

mod endings;
mod looks;
mod turns;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Wake;
use std::time::Duration;

use super::client::Client;
use super::ending::{Case, Ending, Order};
use super::every_point::AbortEverywhere;
use super::fault::{Circumstances, Fault};
use super::ledger::{Levels, Party};
use super::report::Failure;
use super::time::{Doorbell, Time, Woken};
use super::trial::{Trial, Waits};
use crate::panic::drop_each;

use looks::half_visible;

pub(super) type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// How often time passes while nothing else happens, before that counts as rest.
const TICKS: usize = 2;

/// How often when it is known that it should rest: once more.
const REST_TICKS: usize = 3;

/// How many turns one task has in a row while others wait for theirs.
const TURNS: usize = 100;

/// A server may look again and again whether it can exit.
const MOST_TICKS: usize = 250;

/// How often time passes before what is left is left for good.
const LATE_TICKS: usize = 50;

/// For how long something may be done later, where time has a measure.
const GRACE: Duration = Duration::from_secs(60);

/// Where tasks are that are not the trial's.
const RUNTIME: &str = "on the runtime";

/// The first connection, whose handler is the first task.
const FIRST: usize = 0;

const ONGOING: &str = "the run is not over";

pub(super) struct Run<'p, E> {
    plan: &'p AbortEverywhere<E>,
    trial: Trial,
    /// Until the run is over: it is dropped with the tasks.
    server: Option<E>,
    tasks: Vec<Task>,
    doorbell: Arc<Doorbell>,
    client: Client,
    /// What the server holds without any connection.
    before: Levels,
    /// Where the handler has been suspended, by label.
    points: Vec<String>,
    polls_left: usize,
    order: Order,
    /// Who had the last turn, and how many in a row, of those that matter.
    turns: (usize, usize),
    /// The indexes in which a connection is found at once.
    together: Option<BTreeSet<String>>,
    /// In which it was found, until these are known.
    seen_in: Vec<BTreeSet<String>>,
    /// Something has happened to the connection, and whether it responded then.
    interfered: Option<bool>,
    tasks_lost: bool,
    time: Time,
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

struct Task {
    party: Party,
    role: Role,
    name: String,
    future: Option<LocalFuture<()>>,
    woken: Arc<Woken>,
    suspended: usize,
    /// Where it waits, if it said so.
    waits_at: Option<Waits>,
    /// It was spawned for a connection that had ended.
    after_end: bool,
}

impl Task {
    /// It was spawned for a connection, and has not ended.
    fn is_left(&self) -> bool {
        self.role == Role::Spawned && self.party != Party::Server && self.future.is_some()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Handler,
    /// What somebody spawned.
    Spawned,
    /// What the kit does to the server.
    Act,
}

/// What an undisturbed run came to.
pub(super) struct Undisturbed {
    pub(super) points: Vec<String>,
    /// What is held when all is at rest, or `None` if the handler returns by itself.
    pub(super) at_rest: Option<Levels>,
    /// The indexes in which it is found then; or else those in which it was at once.
    pub(super) together: BTreeSet<String>,
    pub(super) takes_signal: bool,
    pub(super) failures: Vec<Failure>,
}

/// What a case came to.
pub(super) struct Tried {
    pub(super) failures: Vec<Failure>,
    /// How often the newcomer was suspended.
    pub(super) newcomer_points: usize,
    /// Whether there was so much to be done when the first had gone.
    pub(super) had_turns: bool,
    /// Whether somebody was there whose turn could come before that of the handlers.
    pub(super) spawned: bool,
    /// Whether something panicked by itself.
    pub(super) panicked: bool,
}

/// It cannot be told what would happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stuck {
    /// It goes on and on.
    Endless,
    /// It did not come to the same point.
    Differs { point: usize },
}

impl<'p, E: Clone + 'static> Run<'p, E> {
    fn start(plan: &'p AbortEverywhere<E>) -> Result<Self, Stuck> {
        let (trial, time) = (Trial::default(), plan.time());
        for (cap, name) in &plan.caps {
            trial.ledger().at_most(*cap, name.clone());
        }
        let server = time.enter(|| (plan.server)(&trial));
        let client = Client::new(&trial, Party::First);
        let mut run = Self {
            plan,
            trial,
            server: Some(server),
            tasks: Vec::new(),
            doorbell: Arc::default(),
            client,
            before: Levels::new(),
            points: Vec::new(),
            polls_left: plan.max_polls,
            order: Order::OldestFirst,
            turns: (FIRST, 0),
            together: None,
            seen_in: Vec::new(),
            interfered: None,
            tasks_lost: false,
            time,
        };
        // The handler comes first, in every sense.
        let client = run.client.clone();
        let handler = run.handler(&client);
        run.add(Party::First, Role::Handler, "the handler".into(), handler);
        // What the server does by itself is not the connection's doing.
        run.adopt();
        run.tasks[FIRST].woken.take();
        loop {
            run.run_all(None, 0)?;
            run.time.settle(&run.doorbell);
            run.adopt();
            if run.next(None).is_none() {
                break;
            }
        }
        run.look(Party::Server);
        run.before = run.trial.ledger().books().levels();
        run.tasks[FIRST].woken.wake_by_ref();
        run.points = vec!["before its first poll".into()];
        run.seen_in.clear();
        Ok(run)
    }

    /// Without interference, to the end or until nothing happens any more.
    pub(super) fn undisturbed(plan: &'p AbortEverywhere<E>) -> Result<Undisturbed, Stuck> {
        let mut run = Self::start(plan)?;
        let mut ticks = TICKS;
        while run.is_pending(FIRST) && run.step(None, &mut ticks)? {}
        let completed = !run.is_pending(FIRST);
        let points = run.points.clone();
        let mut faults = Vec::new();
        let at_rest = if completed {
            run.rest(None)?;
            faults = run.left_for_good()?;
            None
        } else {
            run.expect_whole(Party::First);
            run.lasting()?
        };
        let together = match completed {
            false => run.trial.ledger().books().entries(),
            true => {
                let most = run.seen_in.iter().max_by_key(|seen| seen.len());
                most.cloned().unwrap_or_default()
            }
        };
        let seen_in = run.seen_in.iter();
        faults.extend(seen_in.filter_map(|shown| half_visible(&together, shown)));
        let takes_signal = run.trial.is_signal_taken(Party::First);
        let failures = run.failures(None, faults);
        Ok(Undisturbed {
            points,
            at_rest,
            together,
            takes_signal,
            failures,
        })
    }

    /// What is held at rest, and for good: not only until some timer ticks. `None` if the
    /// connection ends by itself then.
    fn lasting(&mut self) -> Result<Option<Levels>, Stuck> {
        let mut lasting = self.trial.ledger().books().levels();
        for _ in 0..2 {
            self.rest(None)?;
            let levels = self.trial.ledger().books().levels();
            for (name, (_, lasts)) in &mut lasting {
                *lasts = levels.get(name).map_or(0, |(_, held)| *held).min(*lasts);
            }
        }
        Ok(self.is_pending(FIRST).then_some(lasting))
    }

    pub(super) fn case(
        plan: &'p AbortEverywhere<E>,
        usual: &Undisturbed,
        case: &Case,
    ) -> Result<Tried, Stuck> {
        let mut run = Self::start(plan)?;
        run.together = Some(usual.together.clone());
        run.go_to(case.point, &usual.points)?;
        let (mut newcomer_points, mut had_turns) = (0, false);
        run.order = case.order;
        run.interfered = Some(run.trial.is_responding(Party::First));
        let mut faults = Vec::new();
        match &case.ending {
            Ending::Dropped => {
                run.drop_task(FIRST);
                faults.extend(run.still_visible());
            }
            Ending::Panic => {
                run.panic();
                faults.extend(run.still_visible());
            }
            Ending::Closed => faults.extend(run.close(usual)?),
            Ending::Signal => {
                run.ended(Party::First);
                run.user_code(Party::First, || run.client.fire());
                run.adopt();
                run.look(Party::First);
            }
            Ending::Shutdown => {
                run.ended(Party::First);
                faults.extend(run.shut_down()?);
            }
            Ending::Newcomer { dropped_at } => {
                newcomer_points = run.meet(*dropped_at, usual, &mut faults)?;
            }
            Ending::Successor(turns) => {
                run.drop_task(FIRST);
                had_turns = run.give_turns(*turns)?;
                let successor = run.arrive();
                run.rest(None)?;
                faults.extend(run.disturbed(successor, usual));
                run.drop_task(successor);
            }
            Ending::Visitor(at) => {
                let visitor = run.arrive();
                run.run_newcomer(visitor, Some(*at))?;
                run.drop_task(visitor);
                run.rest(None)?;
                faults.extend(run.disturbed(FIRST, usual));
            }
            Ending::Event(name) => {
                let event = plan.events.iter().find(|event| event.0 == *name);
                let event = run.event(event.map(|(_, event)| event));
                run.act(Party::Server, event);
                run.rest(None)?;
                faults.extend(run.disturbed(FIRST, usual));
            }
        }
        run.rest(None)?;
        run.drop_task(FIRST);
        run.rest(None)?;
        let left = run.left_for_good()?;
        // What is left says where it is found, and for how long.
        faults.retain(|fault| match fault {
            Fault::VisibleNotLive { name, .. } => !left.iter().any(|left| left.is_of(name)),
            _ => true,
        });
        faults.splice(0..0, left);
        let mut failures = run.failures(Some(case), faults);
        // Whatever else is wrong explains it.
        if failures.len() > 1 {
            failures.retain(|failure| *failure.fault() != Fault::Lingers);
        }
        let panicked = |it: &Failure| matches!(it.fault(), Fault::Panicked { .. });
        let panicked = failures.iter().any(panicked);
        let spawned = run.tasks.iter().any(|task| task.role == Role::Spawned);
        Ok(Tried {
            failures,
            newcomer_points,
            had_turns,
            spawned,
            panicked,
        })
    }

    /// Runs until it has been suspended so often, in the same way as usual.
    fn go_to(&mut self, point: usize, usual: &[String]) -> Result<(), Stuck> {
        let mut ticks = TICKS;
        while self.points.len() <= point {
            if !self.is_pending(FIRST) || !self.step(None, &mut ticks)? {
                return Err(Stuck::Differs { point });
            }
        }
        if self.points[..] != usual[..=point] {
            return Err(Stuck::Differs { point });
        }
        Ok(())
    }

    fn failures(&self, case: Option<&Case>, mut faults: Vec<Fault>) -> Vec<Failure> {
        faults.extend(self.trial.ledger().faults());
        let point = case.map_or(self.points.len() - 1, |case| case.point);
        let when = Circumstances {
            ending: case.map(|case| &case.ending),
            responding: self.interfered.unwrap_or(true),
            tasks_lost: self.tasks_lost,
            panicked: faults
                .iter()
                .any(|fault| matches!(fault, Fault::Panicked { .. })),
        };
        let mut failures: Vec<Failure> = Vec::new();
        for fault in faults {
            if failures.iter().all(|failure| *failure.fault() != fault) {
                let race = fault.race(when);
                let label = self.points[point].clone();
                failures.push(Failure::new(case.cloned(), point, label, fault, race));
            }
        }
        failures
    }
}

impl Fault {
    fn is_of(&self, wanted: &str) -> bool {
        matches!(self, Self::Left { name, .. } if name == wanted)
    }
}
