//! The sweeps of a group: how far they have come, and which task makes them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::baton::Baton;
use crate::sync::{AtomicU32, Mutex, Ordering, lock};
use crate::time::{SweepClock, SweepTime};

pub(crate) struct Sweeps {
    /// The time between two sweeps of a task; `None` if the application sweeps by hand.
    pub(crate) every: Option<Duration>,
    /// 1 while `State::sweeper` is `Some`: written under its lock, read without.
    has_sweeper: AtomicU32,
    state: Mutex<State>,
}

struct State {
    baton: Baton,
    clock: SweepClock,
    /// The task that sweeps.
    sweeper: Option<SweeperId>,
}

/// Identifies a task that sweeps, by the allocation. The value says how far it has come.
#[derive(Clone)]
pub(crate) struct SweeperId(Arc<AtomicU32>);

/// The task has ended.
const ENDED: u32 = 0;
/// The thread that has started the task has not confirmed it yet.
const STARTED: u32 = 1;
const CONFIRMED: u32 = 2;

/// What a task that sweeps does when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Sweep,
    /// The thread that has started it is about to confirm it, or another one.
    Wait,
    End,
}

/// A sweep that is running, until this is dropped.
pub(crate) struct Sweeping<'a>(&'a Sweeps);

impl Sweeps {
    /// `period` is the time between two sweeps, if that is known.
    pub(crate) fn new(every: Option<Duration>, period: Option<Duration>) -> Self {
        Self {
            every,
            has_sweeper: AtomicU32::new(0),
            state: Mutex::new(State {
                baton: Baton::default(),
                clock: SweepClock::new(period),
                sweeper: None,
            }),
        }
    }

    /// Begins a sweep, unless one is running, and returns its time.
    pub(crate) fn begin(&self, now: Instant) -> Option<(Sweeping<'_>, SweepTime)> {
        let mut state = lock(&self.state);
        if !state.baton.take(|| ()) {
            return None;
        }
        let time = state.clock.sweep(now);
        Some((Sweeping(self), time))
    }

    /// The time of the latest sweep.
    pub(crate) fn latest(&self) -> SweepTime {
        lock(&self.state).clock.latest()
    }

    /// `instant` in the real time of the sweeps.
    pub(crate) fn date(&self, instant: Instant) -> u64 {
        lock(&self.state).clock.date(instant)
    }

    /// Whether some task sweeps.
    pub(crate) fn has_sweeper(&self) -> bool {
        // ORDERING: Relaxed, because the answer is all that is read. It may be out of date
        // by a task that is ending, like an answer that was given just before.
        self.has_sweeper.load(Ordering::Relaxed) != 0
    }

    /// Makes `sweeper` the task that sweeps, in the place of any other. `false` if it has
    /// ended.
    pub(crate) fn confirm(&self, sweeper: &SweeperId) -> bool {
        let mut state = lock(&self.state);
        // ORDERING: Relaxed, here and in `end`, because both hold the lock.
        let runs = sweeper.0.load(Ordering::Relaxed) != ENDED;
        if runs {
            sweeper.0.store(CONFIRMED, Ordering::Relaxed);
            state.sweeper = Some(sweeper.clone());
            self.has_sweeper.store(1, Ordering::Relaxed);
        }
        runs
    }

    /// What the task of `sweeper` does now: it sweeps if it has been confirmed, and no other since.
    pub(crate) fn turn(&self, sweeper: &SweeperId) -> Turn {
        let state = lock(&self.state);
        // ORDERING: Relaxed, because the lock is held.
        match sweeper.0.load(Ordering::Relaxed) {
            STARTED => Turn::Wait,
            _ if state.sweeper.as_ref().is_some_and(|it| it.is(sweeper)) => Turn::Sweep,
            _ => Turn::End,
        }
    }

    /// The task of `sweeper` has ended: it was dropped with its runtime, for example.
    pub(crate) fn end(&self, sweeper: &SweeperId) {
        let mut state = lock(&self.state);
        sweeper.0.store(ENDED, Ordering::Relaxed);
        if state.sweeper.take_if(|it| it.is(sweeper)).is_some() {
            self.has_sweeper.store(0, Ordering::Relaxed);
        }
    }
}

impl SweeperId {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU32::new(STARTED)))
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Drop for Sweeping<'_> {
    fn drop(&mut self) {
        let _: Option<()> = lock(&self.0.state).baton.put_back();
    }
}
