//! One run of a server with one or two connections, undisturbed or in one case.

mod task;
mod state;
mod look;
mod turns;
mod checks;
mod acts;
mod begin;
mod conclude;
mod gap;

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Wake;
use std::time::Duration;

use crate::client::Client;
use crate::ending::{Case, Order};
use crate::fault::{Context, Fault};
use crate::kind::Levels;
use crate::party::Party;
use crate::plan::Plan;
use crate::report::Failure;
use crate::trial::Trial;
use look::half_visible;
use state::{Begun, Core, Due, FIRST, TICKS};
use task::Role;

pub(crate) use state::{Differs, Run, RunError};

/// The result of an undisturbed run.
pub(crate) struct Undisturbed {
    pub(crate) points: Vec<String>,
    /// Which of them lie between two statements.
    pub(crate) statements: BTreeSet<usize>,
    /// At which of them the client reads.
    pub(crate) reading: BTreeSet<usize>,
    /// What is held when all tasks are idle, or `None` if the handler returns by itself.
    pub(crate) at_rest: Option<Levels>,
    /// The indexes in which the connection is visible then. If the handler returns, the
    /// largest set in which it was visible at once.
    pub(crate) together: BTreeSet<String>,
    pub(crate) takes_signal: bool,
    pub(crate) failures: Vec<Failure>,
}

/// The result of a case.
#[derive(Default)]
pub(crate) struct Tried {
    pub(crate) failures: Vec<Failure>,
    /// How often the second connection was suspended.
    pub(crate) newcomer_points: usize,
    /// Whether the remaining tasks had as many turns as the case asks for.
    pub(crate) had_turns: bool,
    /// Whether more than one task was woken at a time.
    pub(crate) had_choice: bool,
    /// Whether user code panicked without being told to.
    pub(crate) panicked: bool,
    pub(crate) failed: bool,
}

impl<E: Clone + 'static> Run<E> {
    fn start(plan: &Rc<Plan<E>>) -> Result<Self, RunError> {
        let trial = Trial::default();
        let time = plan.time(&trial);
        for (cap, name) in &plan.caps {
            trial.ledger().at_most(*cap, name.clone());
        }
        let of_hangup = time.enter_hangup();
        let server = time.enter(|| (plan.server)(&trial));
        let client = Client::new(&trial, Party::First);
        let core = Core {
            plan: Rc::clone(plan),
            trial,
            server: Some(server),
            tasks: Vec::new(),
            waker: Arc::default(),
            client,
            before: Levels::new(),
            points: Vec::new(),
            statements: BTreeSet::new(),
            running: Vec::new(),
            due: None,
            begun: None,
            rested: BTreeSet::new(),
            has_idled: false,
            reading: BTreeSet::new(),
            polls_left: plan.max_polls,
            order: Order::OldestFirst,
            had_choice: false,
            on_runtime: 0,
            turns: (FIRST, 0),
            together: None,
            seen_in: Vec::new(),
            interfered: None,
            tasks_lost: false,
            time,
            _of_hangup: of_hangup,
        };
        let mut run = Self {
            core: Some(Box::new(core)),
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
            run.settle();
            if run.next(None).is_none() {
                break;
            }
        }
        run.look(Party::Server);
        let before = run.trial.ledger().state().levels();
        run.before = before;
        run.tasks[FIRST].woken.wake_by_ref();
        run.points = vec!["before its first poll".into()];
        run.seen_in.clear();
        Ok(run)
    }

    /// Runs without interference until the handler returns or all tasks are idle.
    pub(crate) fn undisturbed(plan: &Rc<Plan<E>>) -> Result<Undisturbed, RunError> {
        let mut run = Self::start(plan)?;
        let mut ticks = TICKS;
        while run.is_pending(FIRST) && run.approach(&mut ticks)? {}
        let completed = !run.is_pending(FIRST);
        let points = run.points.clone();
        let (statements, reading) = (run.statements.clone(), run.reading.clone());
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
            statements,
            reading,
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
        plan: &Rc<Plan<E>>,
        usual: &Undisturbed,
        case: &Case,
    ) -> Result<Tried, RunError> {
        let mut run = Self::start(plan)?;
        run.together = Some(usual.together.clone());
        let usual_points = &usual.points[..=case.point];
        let mut begun = if usual.statements.contains(&case.point) {
            run.go_to_statement(case, usual_points)?
        } else {
            run.go_to(usual_points)?;
            run.interferes(case);
            run.begin(&case.ending)?
        };
        run.conclude(&case.ending, &mut begun, usual.at_rest.as_ref())?;
        run.rest(None)?;
        run.drop_task(FIRST);
        run.rest(None)?;
        let left = run.left_for_good()?;
        let mut faults = begun.faults;
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
        Ok(Tried {
            failed: !failures.is_empty(),
            failures,
            newcomer_points: begun.second.map_or(0, |(_, suspended)| suspended),
            had_turns: begun.had_turns,
            had_choice: run.had_choice,
            panicked,
        })
    }

    /// Returns how often timers fire while a run waits that long after this case. `None` if
    /// it does not run on a runtime.
    pub(crate) fn fires_in(
        plan: &Rc<Plan<E>>,
        usual: &Undisturbed,
        case: &Case,
        patience: Duration,
    ) -> Option<usize> {
        let patient = Rc::new(Plan::clone(plan).with_patience(patience));
        let mut run = Self::start(&patient).ok()?;
        run.go_to(&usual.points[..=case.point]).ok()?;
        run.drop_task(FIRST);
        let before = run.time.fired()?;
        run.rest(None).ok()?;
        Some(run.time.fired()? - before)
    }

    /// Runs until the handler is suspended at the last of these points.
    fn go_to(&mut self, usual: &[String]) -> Result<(), RunError> {
        let mut ticks = TICKS;
        while self.points.len() < usual.len() {
            if !self.is_pending(FIRST) || !self.approach(&mut ticks)? {
                break;
            }
        }
        self.compare(usual)
    }

    /// Takes a step towards the next point. Returns `false` if there is none.
    ///
    /// Behind a pipe, the handler may be a task on the runtime, whose polls are no points. So the
    /// moment at which everything is idle is one.
    fn approach(&mut self, ticks: &mut usize) -> Result<bool, RunError> {
        if self.step(None, ticks)? {
            return Ok(true);
        }
        let is_new = self.trial.has_pipe(Party::First) && !self.has_idled;
        if is_new {
            self.has_idled = true;
            self.reach("all tasks are idle".into());
        }
        Ok(is_new)
    }

    /// Runs until the handler has been interrupted at the statement of `case`, and the poll
    /// in which that happened is over.
    fn go_to_statement(&mut self, case: &Case, usual: &[String]) -> Result<Begun, RunError> {
        self.due = Some(Due {
            case: case.clone(),
            usual: usual.to_vec(),
        });
        let mut ticks = TICKS;
        while self.begun.is_none() {
            if !self.is_pending(FIRST) || !self.approach(&mut ticks)? {
                break;
            }
        }
        match self.begun.take() {
            Some(begun) => begun,
            None => {
                self.compare(usual)?;
                // It is suspended where a statement was.
                Err(self.differs(usual, usual.len() - 1))
            }
        }
    }

    /// Checks that the run has come to the last of these points in the same way.
    fn compare(&self, usual: &[String]) -> Result<(), RunError> {
        let at = usual
            .iter()
            .enumerate()
            .find(|(at, label)| self.points.get(*at) != Some(label));
        match at {
            None if self.points.len() == usual.len() => Ok(()),
            None => Err(self.differs(usual, usual.len() - 1)),
            Some((at, _)) => Err(self.differs(usual, at)),
        }
    }

    fn differs(&self, usual: &[String], point: usize) -> RunError {
        RunError::Differs(Differs {
            point,
            expected: usual[point].clone(),
            seen: self.points.get(point).cloned(),
        })
    }

    /// Marks the point at which `case` interferes.
    fn interferes(&mut self, case: &Case) {
        (self.order, self.had_choice) = (case.order, false);
        self.interfered = Some(self.trial.is_responding(Party::First));
    }

    /// Adds a point.
    fn reach(&mut self, label: String) {
        if self.trial.is_reader(Party::First) {
            let point = self.points.len();
            self.reading.insert(point);
        }
        self.points.push(label);
    }

    fn failures(&self, case: Option<&Case>, mut faults: Vec<Fault>) -> Vec<Failure> {
        faults.extend(self.trial.ledger().faults());
        let point = case.map_or(self.points.len() - 1, |case| case.point);
        let when = Context {
            ending: case.map(|case| &case.ending),
            at_entry: point == 0,
            at_statement: self.statements.contains(&point),
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
