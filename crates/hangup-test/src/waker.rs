//! The wakers of a run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The waker that every task waker of a run calls too: it interrupts the wait of the run
/// itself.
#[derive(Debug, Default)]
pub(crate) struct RunWaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_woken: bool,
    listener: Option<Waker>,
}

/// The waker of one task. Locks, since whoever wakes from another thread hands on what it
/// has done.
#[derive(Debug)]
pub(crate) struct TaskWaker {
    woken: Mutex<bool>,
    run: Arc<RunWaker>,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    /// Somebody may be woken.
    pub(crate) woken: bool,
    /// Time has passed, and not only a turn of somebody else.
    pub(crate) time: bool,
}

impl RunWaker {
    /// Whether it has been rung since it was asked last; if not, it will wake.
    #[cfg(feature = "tokio")]
    pub(crate) fn listen(&self, waker: Waker) -> bool {
        let mut state = lock(&self.state);
        let replaced = state.listener.replace(waker);
        let is_woken = std::mem::take(&mut state.is_woken);
        drop(state);
        drop(replaced);
        is_woken
    }

    fn wake(&self) {
        let mut state = lock(&self.state);
        state.is_woken = true;
        let listener = state.listener.take();
        drop(state);
        if let Some(listener) = listener {
            listener.wake();
        }
    }
}

impl TaskWaker {
    pub(crate) fn new(run: &Arc<RunWaker>) -> Arc<Self> {
        Arc::new(Self {
            woken: Mutex::new(true),
            run: Arc::clone(run),
        })
    }

    pub(crate) fn is_woken(&self) -> bool {
        *lock(&self.woken)
    }

    pub(crate) fn take(&self) {
        *lock(&self.woken) = false;
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *lock(&self.woken) = true;
        self.run.wake();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
