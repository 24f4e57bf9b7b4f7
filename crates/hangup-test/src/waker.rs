//! The wakers of a run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// Is woken together with any task of a run, so that a wait of the run itself ends.
#[derive(Debug, Default)]
pub(crate) struct RunWaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_woken: bool,
    listener: Option<Waker>,
}

/// The waker of one task. It locks, so that a wake from another thread synchronizes with
/// the next poll.
#[derive(Debug)]
pub(crate) struct TaskWaker {
    woken: Mutex<bool>,
    run: Arc<RunWaker>,
}

/// What waiting has brought about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    /// A task may have been woken.
    pub(crate) woken: bool,
    /// Time has passed, and not only a turn of another task.
    pub(crate) time: bool,
}

impl RunWaker {
    /// Returns `true` if a task was woken since the last call. Otherwise the next wake
    /// calls `waker`.
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
