//! A tokio runtime as a [`Runtime`].

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ::tokio::runtime::Handle;
use ::tokio::time;
use pin_project_lite::pin_project;

use super::timer::Set;
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
        time::Instant::now().into_std()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let _entered = self.enter();
        Box::pin(time::sleep(duration))
    }
}

/// The time, and a timer from then on: entered once, with one look at the clock.
pub(super) fn start(handle: Handle, duration: Duration) -> (Instant, TokioTimer) {
    let entered = handle.enter();
    let now = time::Instant::now();
    let sleep = match now.checked_add(duration) {
        Some(until) => time::sleep_until(until),
        None => time::sleep(duration),
    };
    drop(entered);
    (now.into_std(), TokioTimer { handle, sleep })
}

pin_project! {
    /// A timer that stays where it is when it is set again.
    pub(super) struct TokioTimer {
        handle: Handle,
        #[pin]
        sleep: time::Sleep,
    }
}

impl Set for TokioTimer {
    fn now(&self) -> Instant {
        Runtime::now(&self.handle)
    }

    // Only when it is waited for: it keeps its waker, and would wake a task that does not wait.
    fn fired(self: Pin<&mut Self>, _: Duration) {}

    fn resume(self: Pin<&mut Self>, fired: Instant, duration: Duration) {
        let until = fired.checked_add(duration).unwrap_or(fired);
        self.project().sleep.reset(until.into());
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().sleep.poll(cx)
    }
}

/// The runtime that this thread is in.
pub(super) fn current() -> Option<Handle> {
    Handle::try_current().ok()
}
