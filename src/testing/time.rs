//! How time passes in a run, and what else runs meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::trial::Trial;

/// Whom the wakers of a run's tasks call as well.
#[derive(Debug, Default)]
pub(super) struct Doorbell {
    bell: Mutex<Bell>,
}

#[derive(Debug, Default)]
struct Bell {
    rung: bool,
    listener: Option<Waker>,
}

/// The waker of one task. Locks, since whoever wakes from another thread hands on what it
/// has done.
#[derive(Debug)]
pub(super) struct Woken {
    woken: Mutex<bool>,
    doorbell: Arc<Doorbell>,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passed {
    /// Somebody may be woken.
    pub(super) woken: bool,
    /// Time has passed, and not only a turn of somebody else.
    pub(super) time: bool,
}

/// What has tasks and timers of its own.
pub(super) enum Time {
    /// Nothing has: there are the trial's alone.
    OfTheTrial,
    #[cfg(feature = "tokio")]
    Tokio(super::on_tokio::PausedRuntime),
}

impl Time {
    /// Calls `f` where it finds the runtime.
    pub(super) fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        match self {
            Self::OfTheTrial => f(),
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => runtime.enter(f),
        }
    }

    #[cfg_attr(
        not(feature = "tokio"),
        expect(unused_variables, reason = "for a runtime to listen to")
    )]
    pub(super) fn pass(&self, trial: &Trial, doorbell: &Doorbell) -> Passed {
        match self {
            Self::OfTheTrial => {}
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => {
                let passed = runtime.pass(doorbell);
                if passed.woken {
                    return passed;
                }
            }
        }
        let woken = trial.pass_time();
        Passed { woken, time: woken }
    }

    /// Runs what can run at once.
    #[cfg_attr(
        not(feature = "tokio"),
        expect(unused_variables, reason = "for a runtime to listen to")
    )]
    pub(super) fn settle(&self, doorbell: &Doorbell) {
        match self {
            Self::OfTheTrial => {}
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => runtime.settle(doorbell),
        }
    }

    /// How much has passed of it, if it has a measure.
    pub(super) fn elapsed(&self) -> Option<Duration> {
        match self {
            Self::OfTheTrial => None,
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => Some(runtime.elapsed()),
        }
    }

    /// How many tasks there are that are not the trial's.
    pub(super) fn tasks(&self) -> usize {
        match self {
            Self::OfTheTrial => 0,
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => runtime.tasks(),
        }
    }
}

impl Doorbell {
    /// Whether it has been rung since it was asked last; if not, it will wake.
    #[cfg(feature = "tokio")]
    pub(super) fn listen(&self, waker: Waker) -> bool {
        let mut bell = lock(&self.bell);
        let replaced = bell.listener.replace(waker);
        let rung = std::mem::take(&mut bell.rung);
        drop(bell);
        drop(replaced);
        rung
    }

    fn ring(&self) {
        let mut bell = lock(&self.bell);
        bell.rung = true;
        let listener = bell.listener.take();
        drop(bell);
        if let Some(listener) = listener {
            listener.wake();
        }
    }
}

impl Woken {
    pub(super) fn new(doorbell: &Arc<Doorbell>) -> Arc<Self> {
        Arc::new(Self {
            woken: Mutex::new(true),
            doorbell: Arc::clone(doorbell),
        })
    }

    pub(super) fn is_woken(&self) -> bool {
        *lock(&self.woken)
    }

    pub(super) fn take(&self) {
        *lock(&self.woken) = false;
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *lock(&self.woken) = true;
        self.doorbell.ring();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
