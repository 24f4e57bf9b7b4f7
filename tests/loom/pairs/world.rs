//! What every pair of operations happens in, and what must hold whatever they are.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};

use hangup::runtime::BoxFuture;
use hangup::{
    CloseReason, Closed, Conflict, Deadlines, Live, OpenError, Pending, Phase, Registering,
    Registry, Scope, State,
};
use loom::future::block_on;

use super::witness::Witness;
use crate::model::{Count, Signal, Woken, date, poll_once};

pub(super) const KEY: u8 = 1;
pub(super) const LIMIT: Duration = Duration::from_secs(10);
pub(super) const MAX: usize = 4;

pub(super) type Members = Registry<u8, Arc<Witness>>;

pub(super) struct World {
    pub(super) scope: Scope,
    /// One with hooks, where one replaces the other; and one that refuses the second.
    pub(super) registries: [Members; 2],
    /// When all that was there before is overdue.
    pub(super) late: Instant,
    witnesses: Mutex<Vec<Arc<Witness>>>,
    /// Who said that they closed one, and as what.
    wins: Mutex<Vec<CloseReason>>,
    /// What the hooks were called: they must take turns.
    hooks: Arc<Mutex<Vec<Hook>>>,
    /// Owners that do nothing.
    idle: Mutex<Vec<Box<dyn Send>>>,
    /// Undos that run elsewhere: whoever began one may have left it to the other thread.
    tasks: Arc<Mutex<Vec<BoxFuture<()>>>>,
    owner_woken: Arc<Woken>,
    others_woken: Arc<Woken>,
    /// Opens that have begun, and those that were admitted.
    pub(super) opening: Count,
    pub(super) opened: Count,
    crowded: AtomicBool,
    /// How many there are before the threads begin.
    before: AtomicUsize,
    /// Undos that take their time may not be run to their end.
    abandoned: AtomicBool,
    /// Somebody waits for the end.
    waits: AtomicBool,
    takes_over: AtomicBool,
    /// The owner is left in a step, to which a close leaves the undo.
    in_step: AtomicBool,
    /// The owner sleeps: a close has to wake it.
    sleeps: AtomicBool,
    /// Somebody has closed the connection.
    closed: Signal,
    listens: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hook {
    First,
    Last,
}

impl World {
    pub(super) fn new() -> Arc<Self> {
        let hooks = Arc::new(Mutex::new(Vec::new()));
        let call = |hook| {
            let hooks = Arc::clone(&hooks);
            move |_: &u8| hooks.lock().unwrap().push(hook)
        };
        let now = Instant::now();
        Arc::new(Self {
            scope: Scope::builder()
                .max_connections(MAX)
                .deadlines(Deadlines::new().max_age(LIMIT).idle(LIMIT))
                .swept_by_hand()
                .build(),
            registries: [
                Registry::builder(Conflict::Replace)
                    .on_first(call(Hook::First))
                    .on_last(call(Hook::Last))
                    .build(),
                Registry::builder(Conflict::Reject)
                    .remember_closes(1)
                    .build(),
            ],
            late: now + LIMIT,
            witnesses: Mutex::default(),
            wins: Mutex::default(),
            hooks,
            idle: Mutex::default(),
            tasks: Arc::default(),
            owner_woken: Arc::default(),
            others_woken: Arc::default(),
            opening: Count::default(),
            opened: Count::default(),
            crowded: AtomicBool::new(false),
            before: AtomicUsize::new(0),
            abandoned: AtomicBool::new(false),
            waits: AtomicBool::new(false),
            takes_over: AtomicBool::new(false),
            in_step: AtomicBool::new(false),
            sleeps: AtomicBool::new(false),
            closed: Signal::new(),
            listens: AtomicBool::new(false),
        })
    }

    /// The one that all operations are about: the first one opened.
    pub(super) fn subject(&self) -> Arc<Witness> {
        Arc::clone(&self.witnesses.lock().unwrap()[0])
    }

    pub(super) fn witnesses(&self) -> Vec<Arc<Witness>> {
        self.witnesses.lock().unwrap().clone()
    }

    /// Those that both threads know of.
    pub(super) fn witnesses_before(&self) -> Vec<Arc<Witness>> {
        self.witnesses.lock().unwrap()[..self.before.load(SeqCst)].to_vec()
    }

    pub(super) fn try_open(&self) -> Result<(Pending, Arc<Witness>), OpenError> {
        self.opening.add();
        let pending = self.scope.open()?;
        self.opened.add();
        let witness = Arc::new(Witness::new(pending.handle()));
        self.witnesses.lock().unwrap().push(Arc::clone(&witness));
        Ok((pending, witness))
    }

    pub(super) fn open(&self) -> (Pending, Arc<Witness>) {
        self.try_open().unwrap()
    }

    /// One that has acquired something.
    pub(super) fn acquiring(&self) -> (Registering, Arc<Witness>) {
        let (pending, witness) = self.open();
        let mut setup = pending.register().unwrap();
        witness.acquire(&mut setup);
        (setup, witness)
    }

    /// One that is under the key, too.
    pub(super) fn joined(&self) -> (Registering, Arc<Witness>) {
        let (mut setup, witness) = self.acquiring();
        self.join(&mut setup, &witness);
        witness.joined.store(true, SeqCst);
        (setup, witness)
    }

    pub(super) fn live(&self) -> (Live, Arc<Witness>) {
        let (setup, witness) = self.joined();
        witness.set_up.state();
        (setup.go_live().unwrap(), witness)
    }

    /// Takes a place in both registries, as far as it is admitted.
    pub(super) fn join(&self, setup: &mut Registering, witness: &Arc<Witness>) {
        for registry in &self.registries {
            _ = setup.join(registry, KEY, Arc::clone(witness));
        }
    }

    /// Keeps it to the end.
    pub(super) fn keep(&self, owner: impl Send + 'static) {
        self.idle.lock().unwrap().push(Box::new(owner));
    }

    /// When all is ready, all places but one are taken.
    pub(super) fn crowd(&self) {
        self.crowded.store(true, SeqCst);
    }

    pub(super) fn abandon(&self) {
        self.abandoned.store(true, SeqCst);
    }

    pub(super) fn ready(&self) {
        while self.crowded.load(SeqCst) && self.opened.get() < MAX - 1 {
            self.keep(self.open().0);
        }
        self.before.store(self.opened.get(), SeqCst);
    }

    /// What there is becomes overdue at `late`.
    pub(super) fn date(&self) {
        date(&self.scope, self.late - LIMIT);
    }

    /// The one who says that it closed a connection has to be the one.
    pub(super) fn claim(&self, reason: CloseReason, closed: Result<(), Closed>) {
        self.claim_all(reason, usize::from(closed.is_ok()));
        if self.listens.load(SeqCst) {
            self.closed.send();
        }
    }

    pub(super) fn claim_all(&self, reason: CloseReason, closed: usize) {
        let mut wins = self.wins.lock().unwrap();
        wins.extend((0..closed).map(|_| reason));
    }

    /// From now on, [`is_closed`](Self::is_closed) knows.
    pub(super) fn listen(&self) {
        self.listens.store(true, SeqCst);
    }

    /// A close has returned.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_sent()
    }

    /// From now on, the owner goes at once, or there would be no end to wait for.
    pub(super) fn wait_for_the_end(&self) {
        self.waits.store(true, SeqCst);
    }

    pub(super) fn waits(&self) -> bool {
        self.waits.load(SeqCst)
    }

    /// From now on, no other set-up under the key is kept: a take-over would wait for it.
    pub(super) fn take_over(&self) {
        self.takes_over.store(true, SeqCst);
    }

    pub(super) fn takes_over(&self) -> bool {
        self.takes_over.load(SeqCst)
    }

    pub(super) fn leave_in_step(&self) {
        self.in_step.store(true, SeqCst);
    }

    pub(super) fn end_step(&self) {
        self.in_step.store(false, SeqCst);
    }

    /// From now on, the owner sleeps until this wakes it.
    pub(super) fn sleep(&self) -> Waker {
        self.sleeps.store(true, SeqCst);
        Waker::from(Arc::clone(&self.owner_woken))
    }

    /// It looks for itself.
    pub(super) fn stay_awake(&self) {
        self.sleeps.store(false, SeqCst);
    }

    pub(super) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.others_woken))
    }

    pub(super) fn spawn(&self) -> impl FnOnce(BoxFuture<()>) + Send + use<> {
        let tasks = Arc::clone(&self.tasks);
        move |task| tasks.lock().unwrap().push(task)
    }

    pub(super) fn run_tasks(&self) {
        loop {
            let task = self.tasks.lock().unwrap().pop();
            let Some(task) = task else {
                return;
            };
            block_on(task);
        }
    }

    /// Waits, and does not sleep on a task.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        block_on(poll_fn(|cx| {
            let polled = future.as_mut().poll(cx);
            if polled.is_pending() {
                self.run_tasks();
            }
            polled
        }))
    }

    /// I3: what a lookup found was live when it was found, and is all set up.
    pub(super) fn check_found(&self, found: Option<&Arc<Witness>>) {
        if let Some(witness) = found {
            assert!(witness.set_up.is_seen(), "visible before it was set up");
            match witness.handle.state() {
                State::Live => {}
                State::Closed(closed) => assert_eq!(closed.from, Phase::Live, "never live"),
                state => panic!("visible while {state}"),
            }
        }
    }

    /// What holds while the owner is there and does nothing.
    pub(super) fn check_now(&self) {
        let in_step = self.in_step.load(SeqCst);
        for witness in self.witnesses() {
            if let Some(closed) = witness.handle.state().closed() {
                // I2: a set-up waits for its owner, and a live connection for its step alone.
                let sets_up = closed.from == Phase::Registering;
                let settled = witness.handle.try_settled().is_some();
                assert!(settled || in_step || sets_up, "closed, and not undone");
            } else {
                assert_eq!(witness.undone(), 0, "undone while open");
            }
        }
        let sleeps = self.sleeps.load(SeqCst) && self.owner_woken.count() == 0;
        let closed = self.subject().handle.state().is_closed();
        assert!(!sleeps || !closed, "lost wake-up");
    }

    /// What holds when nobody is left.
    pub(super) fn check(&self) {
        self.idle.lock().unwrap().clear();
        assert!(self.tasks.lock().unwrap().is_empty());
        let witnesses = std::mem::take(&mut *self.witnesses.lock().unwrap());
        for witness in &witnesses {
            witness.check();
        }
        self.check_reasons(&witnesses);
        self.check_nothing_left(&witnesses);
        self.check_admission();
    }

    /// I1: whoever closed it gave it its reason, and nobody else says so.
    fn check_reasons(&self, witnesses: &[Arc<Witness>]) {
        let mut wins = std::mem::take(&mut *self.wins.lock().unwrap());
        let closed = witnesses.iter().map(|it| it.closed().reason);
        let mut reasons: Vec<_> = closed
            // These are said by nobody.
            .filter(|reason| {
                !matches!(
                    reason,
                    CloseReason::Completed
                        | CloseReason::Dropped
                        | CloseReason::Rejected
                        | CloseReason::Superseded
                )
            })
            .collect();
        reasons.sort_unstable();
        wins.sort_unstable();
        assert_eq!(reasons, wins);
    }

    /// I7: after the end there is nothing.
    fn check_nothing_left(&self, witnesses: &[Arc<Witness>]) {
        for registry in &self.registries {
            assert_eq!((registry.len(), registry.contains(&KEY)), (0, false));
        }
        for witness in witnesses {
            assert_eq!(Arc::strong_count(witness), 1, "it is kept somewhere");
        }
        for woken in [&self.owner_woken, &self.others_woken] {
            assert_eq!(Arc::strong_count(woken), 1, "a waker is left behind");
        }
        let hooks = self.hooks.lock().unwrap();
        let mut calls = hooks.chunks(2);
        assert!(
            calls.all(|calls| calls == [Hook::First, Hook::Last]),
            "{hooks:?}"
        );
        assert!(self.scope.handles().is_empty());
        let stats = self.scope.stats();
        assert_eq!((stats.open(), stats.settling), (0, 0));
        assert_eq!(stats.closed.values().sum::<u64>(), witnesses.len() as u64);
        assert_eq!(stats.panics, 0);
        let abandoned = self.abandoned.load(SeqCst);
        assert!(abandoned || stats.undos_abandoned == 0, "{stats:?}");
    }

    /// I6: all places are free, and no more than there are.
    fn check_admission(&self) {
        if self.scope.is_draining() {
            let refused = self.scope.open().unwrap_err();
            assert_eq!(refused, OpenError::Draining);
            let drained = poll_once(pin!(self.scope.drained()), Waker::noop());
            assert!(drained.is_ready(), "drained, and nobody knows");
            return;
        }
        let places = [(); MAX].map(|()| self.scope.open().expect("a place is lost"));
        assert_eq!(self.scope.open().unwrap_err(), OpenError::Full);
        drop(places);
    }
}
