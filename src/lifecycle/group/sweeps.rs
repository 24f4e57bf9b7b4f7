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

/// Identifies a task that sweeps, by the allocation. The value is 1 until the task ends.
#[derive(Clone)]
pub(crate) struct SweeperId(Arc<AtomicU32>);

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
        let runs = sweeper.0.load(Ordering::Relaxed) != 0;
        if runs {
            state.sweeper = Some(sweeper.clone());
            self.has_sweeper.store(1, Ordering::Relaxed);
        }
        runs
    }

    /// Whether `sweeper` has been confirmed, and no other since.
    pub(crate) fn is_current(&self, sweeper: &SweeperId) -> bool {
        let state = lock(&self.state);
        state.sweeper.as_ref().is_some_and(|it| it.is(sweeper))
    }

    /// The task of `sweeper` has ended: it was dropped with its runtime, for example.
    pub(crate) fn end(&self, sweeper: &SweeperId) {
        let mut state = lock(&self.state);
        sweeper.0.store(0, Ordering::Relaxed);
        if state.sweeper.take_if(|it| it.is(sweeper)).is_some() {
            self.has_sweeper.store(0, Ordering::Relaxed);
        }
    }
}

impl SweeperId {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU32::new(1)))
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
