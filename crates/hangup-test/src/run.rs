//! One run of a server with one or two connections, undisturbed or in one case.

mod task;
mod state;
mod look;
mod turns;
mod checks;
mod endings;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::Wake;

use crate::client::Client;
use crate::ending::{Case, Ending, Order};
use crate::fault::{Context, Fault};
use crate::kind::Levels;
use crate::party::Party;
use crate::plan::Plan;
use crate::report::Failure;
use crate::trial::Trial;
use look::half_visible;
use state::{FIRST, TICKS};
use task::Role;

pub(crate) use state::{Run, RunError};

/// The result of an undisturbed run.
pub(crate) struct Undisturbed {
    pub(crate) points: Vec<String>,
    /// What is held when all tasks are idle, or `None` if the handler returns by itself.
    pub(crate) at_rest: Option<Levels>,
    /// The indexes in which the connection is visible then. If the handler returns, the
    /// largest set in which it was visible at once.
    pub(crate) together: BTreeSet<String>,
    pub(crate) takes_signal: bool,
    pub(crate) failures: Vec<Failure>,
}

/// The result of a case.
pub(crate) struct Tried {
    pub(crate) failures: Vec<Failure>,
    /// How often the second connection was suspended.
    pub(crate) newcomer_points: usize,
    /// Whether the remaining tasks had as many turns as the case asks for.
    pub(crate) had_turns: bool,
    /// Whether a spawned task existed whose turn could precede that of the handlers.
    pub(crate) spawned: bool,
    /// Whether user code panicked without being told to.
    pub(crate) panicked: bool,
}

impl<'p, E: Clone + 'static> Run<'p, E> {
    fn start(plan: &'p Plan<E>) -> Result<Self, RunError> {
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
            waker: Arc::default(),
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
        // The handler is the first task.
        let client = run.client.clone();
        let handler = run.handler(&client);
        run.add(Party::First, Role::Handler, "the handler".into(), handler);
        // What the server does by itself precedes the connection.
        run.adopt();
        run.tasks[FIRST].woken.take();
        loop {
            run.run_all(None, 0)?;
            run.time.settle(&run.waker);
            run.adopt();
            if run.next(None).is_none() {
                break;
            }
        }
        run.look(Party::Server);
        run.before = run.trial.ledger().state().levels();
        run.tasks[FIRST].woken.wake_by_ref();
        run.points = vec!["before its first poll".into()];
        run.seen_in.clear();
        Ok(run)
    }

    /// Runs without interference until the handler returns or all tasks are idle.
    pub(crate) fn undisturbed(plan: &'p Plan<E>) -> Result<Undisturbed, RunError> {
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
            false => run.trial.ledger().state().entries(),
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

    /// Returns what is held permanently when all tasks are idle, and not only until a
    /// timer ticks. `None` if the connection ends by itself.
    fn lasting(&mut self) -> Result<Option<Levels>, RunError> {
        let mut lasting = self.trial.ledger().state().levels();
        for _ in 0..2 {
            self.rest(None)?;
            let levels = self.trial.ledger().state().levels();
            for (name, (_, lasts)) in &mut lasting {
                *lasts = levels.get(name).map_or(0, |(_, held)| *held).min(*lasts);
            }
        }
        Ok(self.is_pending(FIRST).then_some(lasting))
    }

    pub(crate) fn case(
        plan: &'p Plan<E>,
        usual: &Undisturbed,
        case: &Case,
    ) -> Result<Tried, RunError> {
        let mut run = Self::start(plan)?;
        run.together = Some(usual.together.clone());
        run.go_to(case.point, &usual.points)?;
        let (mut newcomer_points, mut had_turns) = (0, false);
        run.order = case.order;
        run.interfered = Some(run.trial.is_responding(Party::First));
        let at_rest = usual.at_rest.as_ref();
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
            Ending::Closed => faults.extend(run.close(at_rest)?),
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
                newcomer_points = run.meet(*dropped_at, at_rest, &mut faults)?;
            }
            Ending::Successor(turns) => {
                run.drop_task(FIRST);
                had_turns = run.give_turns(*turns)?;
                let successor = run.arrive();
                run.rest(None)?;
                faults.extend(run.disturbed(successor, at_rest));
                run.drop_task(successor);
            }
            Ending::Visitor(at) => {
                let visitor = run.arrive();
                run.run_newcomer(visitor, Some(*at))?;
                run.drop_task(visitor);
                run.rest(None)?;
                faults.extend(run.disturbed(FIRST, at_rest));
            }
            Ending::Event(name) => {
                let event = plan.events.iter().find(|event| event.0 == *name);
                let event = run.event(event.map(|(_, event)| event));
                run.act(Party::Server, event);
                run.rest(None)?;
                faults.extend(run.disturbed(FIRST, at_rest));
            }
        }
        run.rest(None)?;
        run.drop_task(FIRST);
        run.rest(None)?;
        let left = run.left_for_good()?;
        // `Left` implies that the connection is still visible.
        faults.retain(|fault| match fault {
            Fault::VisibleNotLive { name, .. } => !left.iter().any(|left| left.is_of(name)),
            _ => true,
        });
        faults.splice(0..0, left);
        let mut failures = run.failures(Some(case), faults);
        // Any other fault explains why the handler is still pending.
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

    /// Runs until the handler is suspended at `point`, and checks that it got there as in
    /// the undisturbed run.
    fn go_to(&mut self, point: usize, usual: &[String]) -> Result<(), RunError> {
        let mut ticks = TICKS;
        while self.points.len() <= point {
            if !self.is_pending(FIRST) || !self.step(None, &mut ticks)? {
                return Err(RunError::Differs { point });
            }
        }
        if self.points[..] != usual[..=point] {
            return Err(RunError::Differs { point });
        }
        Ok(())
    }

    fn failures(&self, case: Option<&Case>, mut faults: Vec<Fault>) -> Vec<Failure> {
        faults.extend(self.trial.ledger().faults());
        let point = case.map_or(self.points.len() - 1, |case| case.point);
        let when = Context {
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
