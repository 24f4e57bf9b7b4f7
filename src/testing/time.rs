//! How time passes in a run, and what else runs meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::trial::Trial;

/// Whom the wakers of a run's tasks call as well.
#[derive(Debug, Default)]
pub(super) struct Doorbell {
    rung: AtomicBool,
    listener: Mutex<Option<Waker>>,
}

/// The waker of one task.
#[derive(Debug)]
pub(super) struct Woken {
    woken: AtomicBool,
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
        let _ = doorbell;
        let woken = trial.pass_time();
        Passed { woken, time: woken }
    }

    /// Runs what can run at once.
    pub(super) fn settle(&self, doorbell: &Doorbell) {
        match self {
            Self::OfTheTrial => {}
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => runtime.settle(doorbell),
        }
        let _ = doorbell;
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
    #[cfg(feature = "tokio")]
    pub(super) fn listen(&self, waker: &Waker) -> bool {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = listener.replace(waker.clone());
        drop(listener);
        drop(replaced);
        self.rung.swap(false, Ordering::Relaxed)
    }

    fn ring(&self) {
        self.rung.store(true, Ordering::Relaxed);
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = listener.take();
        drop(listener);
        if let Some(waker) = taken {
            waker.wake();
        }
    }
}

impl Woken {
    pub(super) fn new(doorbell: &Arc<Doorbell>) -> Arc<Self> {
        Arc::new(Self {
            woken: AtomicBool::new(true),
            doorbell: Arc::clone(doorbell),
        })
    }

    pub(super) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self) {
        self.woken.store(false, Ordering::Relaxed);
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Relaxed);
        self.doorbell.ring();
    }
}
