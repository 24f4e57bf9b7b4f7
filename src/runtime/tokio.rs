//! A tokio runtime as a [`Runtime`].

use std::time::{Duration, Instant};

use ::tokio::runtime::Handle;

use super::{BoxFuture, Runtime};

/// # Panics
///
/// [`sleep`](Runtime::sleep) panics if the timers of the runtime are not enabled.
impl Runtime for Handle {
    fn spawn(&self, task: BoxFuture<()>) {
        drop(self.spawn(task));
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        drop(self.spawn_blocking(work));
    }

    fn now(&self) -> Instant {
        // Entered, because a paused clock belongs to its runtime.
        let _entered = self.enter();
        ::tokio::time::Instant::now().into_std()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let _entered = self.enter();
        Box::pin(::tokio::time::sleep(duration))
    }
}

/// The time, and a timer from then on: entered once, with one look at the clock.
pub(super) fn start(handle: &Handle, duration: Duration) -> (Instant, BoxFuture<()>) {
    let _entered = handle.enter();
    let now = ::tokio::time::Instant::now();
    let Some(until) = now.checked_add(duration) else {
        return (now.into_std(), Box::pin(::tokio::time::sleep(duration)));
    };
    (now.into_std(), Box::pin(::tokio::time::sleep_until(until)))
}

/// The runtime that this thread is in.
pub(super) fn current() -> Option<Handle> {
    Handle::try_current().ok()
}
