//! A tokio runtime whose clock stands still while a task is woken.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ::tokio::runtime::{Builder, Runtime};
use ::tokio::time::{Instant, sleep};

use crate::waker::{Passed, RunWaker};

pub(crate) struct PausedRuntime {
    runtime: Runtime,
    begun: Instant,
    /// How long a handler may wait for a timer.
    patience: Duration,
}

impl PausedRuntime {
    pub(crate) fn new(patience: Duration) -> std::io::Result<Self> {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build()?;
        let begun = runtime.block_on(async { Instant::now() });
        Ok(Self {
            runtime,
            begun,
            patience,
        })
    }

    /// Calls `f` inside the runtime context.
    pub(crate) fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        // Inside `block_on`, a task that yields would register a wake-up that never
        // comes.
        let _entered = self.runtime.enter();
        f()
    }

    /// Runs the tasks that are woken.
    pub(crate) fn settle(&self, waker: &RunWaker) {
        self.wait(waker, Duration::from_millis(1));
    }

    /// Runs the runtime until a task of the trial is woken.
    pub(crate) fn pass(&self, waker: &RunWaker) -> Passed {
        self.wait(waker, self.patience)
    }

    fn wait(&self, waker: &RunWaker, patience: Duration) -> Passed {
        self.runtime.block_on(async {
            let begun = Instant::now();
            let mut patience = pin!(sleep(patience));
            let woken = poll_fn(|cx| {
                if waker.listen(cx.waker().clone()) {
                    return Poll::Ready(true);
                }
                patience.as_mut().poll(cx).map(|()| false)
            });
            let woken = woken.await;
            let time = begun < Instant::now();
            Passed { woken, time }
        })
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.enter(|| self.begun.elapsed())
    }

    pub(crate) fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }
}
