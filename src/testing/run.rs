//! One run of a server with one connection, or two, and what happens to them.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use super::abort_everywhere::{AbortEverywhere, Act};
use super::client::Client;
use super::ending::{Case, Ending, Order};
use super::fault::{Circumstances, Fault};
use super::ledger::{Kind, Levels, Party};
use super::report::Failure;
use super::time::{Doorbell, Time, Woken};
use super::trial::{INJECTED, Spawned, Trial, Waits};
use crate::panic::{contain, message};

pub(super) type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// How often time passes while nothing else happens, before that counts as rest.
const TICKS: usize = 2;

pub(super) struct Run<'p, E> {
    plan: &'p AbortEverywhere<E>,
    trial: Trial,
    server: E,
    tasks: Vec<Task>,
    doorbell: Arc<Doorbell>,
    client: Client,
    /// What the server holds without any connection.
    before: Levels,
    /// Where the handler has been suspended, by label.
    points: Vec<String>,
    polls_left: usize,
    order: Order,
    /// Who had the last turn, and how many in a row.
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
        let tasks: Vec<_> = self.tasks.drain(..).map(|task| task.future).collect();
        // What is dropped may look for the runtime.
        let drop_all = || {
            self.time.enter(|| {
                drop((tasks, spawned));
                self.trial.take_apart();
            });
        };
        let _: Result<(), String> = contain(drop_all);
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Handler,
    /// What somebody spawned.
    Spawned,
    /// What the kit does to the server.
    Act,
}

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
            server,
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
            for (name, lasts) in &mut lasting {
                *lasts = levels.get(name).copied().unwrap_or(0).min(*lasts);
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

    /// Lets a second connection come, and the first one go.
    fn meet(
        &mut self,
        dropped_at: Option<usize>,
        usual: &Undisturbed,
        faults: &mut Vec<Fault>,
    ) -> Result<usize, Stuck> {
        let newcomer = self.arrive();
        let suspended = self.run_newcomer(newcomer, dropped_at)?;
        if dropped_at.is_none() {
            self.rest(None)?;
            if self.is_pending(newcomer) != self.is_pending(FIRST) {
                let lone = if self.is_pending(FIRST) {
                    FIRST
                } else {
                    newcomer
                };
                faults.extend(self.disturbed(lone, usual));
            }
            let both_ended = !self.is_pending(newcomer) && !self.is_pending(FIRST);
            // Either may refuse the other, or take over from it.
            let nobody = both_ended && usual.at_rest.is_some();
            faults.extend(nobody.then_some(Fault::NobodyLeft));
        }
        self.drop_task(FIRST);
        self.rest(None)?;
        faults.extend(self.disturbed(newcomer, usual));
        self.drop_task(newcomer);
        Ok(suspended)
    }

    /// Whether there were so many to be given.
    fn give_turns(&mut self, turns: usize) -> Result<bool, Stuck> {
        let mut ticks = TICKS;
        for _ in 0..turns {
            if !self.step(None, &mut ticks)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn arrive(&mut self) -> usize {
        let client = Client::new(&self.trial, Party::Newcomer);
        let handler = self.handler(&client);
        let name = "the newcomer's handler".into();
        self.add(Party::Newcomer, Role::Handler, name, handler)
    }

    /// Runs until it has been suspended so often, or rests. Returns how often it was.
    fn run_newcomer(&mut self, newcomer: usize, until: Option<usize>) -> Result<usize, Stuck> {
        let mut ticks = TICKS;
        let due = |run: &Self| until.is_some_and(|at| run.tasks[newcomer].suspended >= at);
        while self.is_pending(newcomer) && !due(self) && self.step(Some(FIRST), &mut ticks)? {}
        Ok(self.tasks[newcomer].suspended)
    }

    /// What a connection lacks that is alone and at rest.
    fn disturbed(&mut self, task: usize, usual: &Undisturbed) -> Vec<Fault> {
        if !self.is_pending(task) {
            return Vec::new();
        }
        let party = self.tasks[task].party;
        self.expect_whole(party);
        match &usual.at_rest {
            Some(at_rest) => self.trial.ledger().books().missing(at_rest, party),
            None => Vec::new(),
        }
    }

    /// At rest, an open connection must have got everything.
    fn expect_whole(&mut self, party: Party) {
        if self.trial.is_responding(party) {
            self.trial.ledger().books().expect_all_delivered(party);
        }
    }

    fn close(&mut self, usual: &Undisturbed) -> Result<Vec<Fault>, Stuck> {
        self.ended(Party::First);
        let has_closed = Rc::new(Cell::new(false));
        let (server, closes) = (self.server.clone(), Rc::clone(&has_closed));
        let close = self.plan.close.as_ref().map(Rc::clone);
        let closing = async move {
            if let Some(close) = close {
                closes.set(close(server).await);
            }
        };
        let act = self.act(Party::First, Box::pin(closing));
        let mut ticks = TICKS;
        while self.is_pending(act) && self.step(None, &mut ticks)? {}
        if has_closed.get() || self.is_pending(act) {
            self.rest(None)?;
            let lingers = self.is_pending(FIRST) || self.is_pending(act);
            let lingers = lingers.then_some(Fault::Lingers);
            return Ok(lingers.into_iter().collect());
        }
        // It was not to be found yet.
        self.trial.ledger().books().ended.remove(&Party::First);
        self.rest(None)?;
        Ok(self.disturbed(FIRST, usual))
    }

    fn shut_down(&mut self) -> Result<Vec<Fault>, Stuck> {
        let act = self.event(self.plan.shutdown.as_ref());
        let act = self.act(Party::Server, act);
        let mut ticks = MOST_TICKS;
        while self.is_pending(act) && self.step(None, &mut ticks)? {}
        let exits = !self.is_pending(act);
        self.drop_task(act);
        if exits && self.tasks[FIRST].suspended > 0 {
            // Its last turns, since it has been accepted.
            while self.tasks[FIRST].woken.is_woken() && self.is_pending(FIRST) {
                self.polls_left = self.polls_left.checked_sub(1).ok_or(Stuck::Endless)?;
                self.poll(FIRST, false);
            }
        }
        let was_open = self.interfered.unwrap_or(true);
        let went_live = !was_open && self.trial.is_responding(Party::First);
        let mut faults = Vec::new();
        faults.extend((!exits && !went_live).then_some(Fault::NeverExits));
        faults.extend(went_live.then_some(Fault::LiveAfterShutdown));
        if !exits {
            return Ok(faults);
        }
        // The process ends here. What has not run yet never will.
        let spawned = self.trial.end();
        self.tasks_lost = spawned.iter().any(|task| task.party != Party::Server)
            || self.tasks.iter().any(|task| {
                task.role == Role::Spawned && task.party != Party::Server && task.future.is_some()
            });
        self.time.enter(|| drop(spawned));
        for task in 0..self.tasks.len() {
            self.drop_task(task);
        }
        let servers = self.before.get(RUNTIME).copied().unwrap_or(0);
        self.tasks_lost |= self.trial.has_lost() || self.time.tasks() > servers;
        self.time = Time::OfTheTrial;
        self.look(Party::Server);
        Ok(faults)
    }

    /// Panics where the handler waits; where that is not in the kit's hands, drops it as a
    /// panic does.
    fn panic(&mut self) {
        self.ended(Party::First);
        let waits_at = self.tasks[FIRST].waits_at.as_ref();
        if waits_at.is_some_and(|waits| waits.panics) {
            self.poll(FIRST, true);
        }
        if let Some(future) = self.tasks[FIRST].future.take() {
            let unwinding = || {
                let _dropped_by_it = future;
                resume_unwind(Box::new(INJECTED));
            };
            self.user_code(Party::First, unwinding);
            self.adopt();
            self.look(Party::First);
        }
        self.trial.set_responding(Party::First, false);
    }

    fn ended(&self, party: Party) {
        self.trial.ledger().ended(party);
    }

    /// Does something to the server, and begins at this point. Returns the task that does
    /// it.
    fn act(&mut self, party: Party, act: LocalFuture<()>) -> usize {
        let act = self.add(party, Role::Act, "what the test does".into(), act);
        self.poll(act, false);
        act
    }

    fn event(&self, event: Option<&Rc<Act<E>>>) -> LocalFuture<()> {
        let (event, server) = (event.map(Rc::clone), self.server.clone());
        Box::pin(async move {
            if let Some(event) = event {
                event(server).await;
            }
        })
    }

    /// The handler's future, which calls the handler when it is polled first.
    fn handler(&self, client: &Client) -> LocalFuture<()> {
        let handler = Rc::clone(&self.plan.handler);
        let (server, client) = (self.server.clone(), client.clone());
        Box::pin(async move { handler(server, client).await })
    }

    fn add(&mut self, party: Party, role: Role, name: String, future: LocalFuture<()>) -> usize {
        self.tasks.push(Task {
            party,
            role,
            name,
            future: Some(future),
            woken: Woken::new(&self.doorbell),
            suspended: 0,
            waits_at: None,
            after_end: self.trial.ledger().books().ended.contains(&party),
        });
        self.tasks.len() - 1
    }

    fn adopt(&mut self) {
        for Spawned { party, name, task } in self.trial.take_spawned() {
            self.add(party, Role::Spawned, format!("spawned at {name}"), task);
        }
    }

    fn is_pending(&self, task: usize) -> bool {
        self.tasks[task].future.is_some()
    }

    /// Runs until nothing happens any more.
    fn rest(&mut self, held: Option<usize>) -> Result<(), Stuck> {
        let until = self.time.elapsed().map(|now| now + GRACE);
        self.run_all(held, TICKS + 1)?;
        // Something else may have ticked meanwhile.
        let mut more = MOST_TICKS;
        while more > 0 && self.time.elapsed() < until && self.step(held, &mut more)? {}
        Ok(())
    }

    fn run_all(&mut self, held: Option<usize>, mut ticks: usize) -> Result<(), Stuck> {
        while self.step(held, &mut ticks)? {}
        Ok(())
    }

    /// Polls one task that is woken, or lets time pass; `held` has no turn. `false` if all
    /// is at rest.
    fn step(&mut self, held: Option<usize>, ticks: &mut usize) -> Result<bool, Stuck> {
        if let Some(at) = self.next(held) {
            self.polls_left = self.polls_left.checked_sub(1).ok_or(Stuck::Endless)?;
            self.poll(at, false);
            return Ok(true);
        }
        if held.is_some_and(|held| self.tasks[held].woken.is_woken()) {
            // Nobody is kept from a turn of its own for as long as time takes to pass.
            self.time.settle(&self.doorbell);
            self.adopt();
            self.look(Party::Server);
            return Ok(self.next(held).is_some());
        }
        if *ticks == 0 {
            return Ok(false);
        }
        self.polls_left = self.polls_left.checked_sub(1).ok_or(Stuck::Endless)?;
        let passed = self.time.pass(&self.trial, &self.doorbell);
        self.adopt();
        self.look(Party::Server);
        if !passed.woken {
            return Ok(self.next(held).is_some());
        }
        *ticks -= usize::from(passed.time);
        Ok(true)
    }

    /// Whose turn it is.
    fn next(&self, held: Option<usize>) -> Option<usize> {
        let ready = |at: &usize| {
            let task = &self.tasks[*at];
            task.future.is_some() && task.woken.is_woken() && Some(*at) != held
        };
        let first_of = |tasks: &mut dyn DoubleEndedIterator<Item = usize>| match self.order {
            Order::OldestFirst => tasks.next(),
            Order::NewestFirst => tasks.next_back(),
        };
        let next = first_of(&mut (0..self.tasks.len()).filter(ready))?;
        if self.turns.0 != next || self.turns.1 < TURNS {
            return Some(next);
        }
        // It may be waiting for one of the others.
        let others = |at: &usize| ready(at) && *at != next;
        let other = first_of(&mut (0..self.tasks.len()).filter(others));
        other.or(Some(next))
    }

    fn poll(&mut self, at: usize, panic_here: bool) {
        let task = &mut self.tasks[at];
        let party = task.party;
        let Some(mut future) = task.future.take() else {
            return;
        };
        task.woken.take();
        self.turns = match self.turns {
            (last, turns) if last == at => (at, turns + 1),
            _ => (at, 1),
        };
        let waker = Waker::from(Arc::clone(&task.woken));
        self.trial.begin_poll(panic_here);
        let polled = self.user_code(party, || {
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            (polled.is_pending()).then_some(future)
        });
        let task = &mut self.tasks[at];
        task.waits_at = self.trial.end_poll();
        if let Some(Some(future)) = polled {
            task.future = Some(future);
            task.suspended += 1;
        }
        let label = match &task.waits_at {
            Some(waits) => waits.label.clone(),
            None => format!("suspension {}", task.suspended),
        };
        self.adopt();
        self.look(party);
        if self.is_pending(FIRST) {
            let label = match at {
                FIRST => label,
                _ if self.is_pending(at) => format!("a task at {label}"),
                _ => "the end of a task".into(),
            };
            self.points.push(label);
        }
    }

    fn drop_task(&mut self, at: usize) {
        let (party, role) = (self.tasks[at].party, self.tasks[at].role);
        if role == Role::Handler {
            self.ended(party);
            self.trial.set_responding(party, false);
        }
        if let Some(future) = self.tasks[at].future.take() {
            self.user_code(party, || drop(future));
            self.adopt();
            self.look(party);
        }
    }

    /// Runs the user's code on behalf of `party`. `None` if it panicked, which is noted
    /// unless it had to.
    fn user_code<T>(&self, party: Party, f: impl FnOnce() -> T) -> Option<T> {
        let ledger = self.trial.ledger();
        let entered = || self.time.enter(|| ledger.acting(party, f));
        let payload = match catch_unwind(AssertUnwindSafe(entered)) {
            Ok(value) => return Some(value),
            Err(payload) => payload,
        };
        let message = message(payload);
        if message != INJECTED {
            ledger.books().faults.push(Fault::Panicked { message });
        }
        None
    }

    /// Looks at everything that is to be seen between two polls.
    fn look(&mut self, actor: Party) {
        let ledger = self.trial.ledger();
        for probe in &self.plan.probes {
            let level = self.time.enter(|| (probe.level)(&self.server));
            ledger.acting(actor, || {
                ledger.books().observe(probe.kind, &probe.name, level);
            });
        }
        let tasks = self.time.tasks();
        ledger.acting(actor, || {
            ledger.books().observe(Kind::Task, RUNTIME, tasks);
        });
        let responding = self.trial.is_responding(Party::First) && self.is_pending(FIRST);
        let mut books = ledger.books();
        let shown = books.entries();
        match &self.together {
            None => self.seen_in.push(shown),
            Some(together) => books.faults.extend(half_visible(together, &shown)),
        }
        if responding && self.interfered.is_none() {
            let given_back = books.permits_below(1);
            let faults = given_back
                .into_iter()
                .map(|name| Fault::WithoutPermit { name });
            books.faults.extend(faults);
        }
    }

    /// Where a connection that is gone is found.
    fn still_visible(&self) -> Vec<Fault> {
        let by = Party::First;
        let shown = self.trial.ledger().books().shown(by);
        let faults = shown.into_iter();
        faults
            .map(|name| Fault::VisibleNotLive { name, by })
            .collect()
    }

    /// What is left however long one waits.
    fn left_for_good(&mut self) -> Result<Vec<Fault>, Stuck> {
        let mut ticks = LATE_TICKS;
        loop {
            let left = self.left();
            if left.is_empty() || !self.step(None, &mut ticks)? {
                return Ok(left);
            }
        }
    }

    /// What is left when all connections are gone.
    fn left(&self) -> Vec<Fault> {
        let mut left = self.trial.ledger().books().left(&self.before);
        for task in &self.tasks {
            if task.role == Role::Spawned && task.party != Party::Server && task.future.is_some() {
                left.push(Fault::Left {
                    kind: Kind::Task,
                    name: task.name.clone(),
                    by: task.party,
                    after_end: task.after_end,
                    after_undo: false,
                    looked: false,
                });
            }
        }
        left
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

/// Found in some of these indexes, and not in others.
fn half_visible(together: &BTreeSet<String>, shown: &BTreeSet<String>) -> Option<Fault> {
    let shown_in = together.intersection(shown).next()?.clone();
    let hidden = together.difference(shown).next()?.clone();
    let shown = shown_in;
    Some(Fault::HalfVisible { shown, hidden })
}

impl Fault {
    fn is_of(&self, wanted: &str) -> bool {
        matches!(self, Self::Left { name, .. } if name == wanted)
    }
}
