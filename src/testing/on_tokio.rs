//! A tokio runtime whose clock stands still while there is something to do.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ::tokio::runtime::{Builder, Runtime};
use ::tokio::time::{Instant, sleep};

use super::time::{Doorbell, Passed};

pub(super) struct PausedRuntime {
    runtime: Runtime,
    begun: Instant,
    /// For how long a handler may wait for a timer.
    patience: Duration,
}

impl PausedRuntime {
    pub(super) fn new(patience: Duration) -> std::io::Result<Self> {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build()?;
        let begun = runtime.block_on(async { Instant::now() });
        Ok(Self {
            runtime,
            begun,
            patience,
        })
    }

    /// Calls `f` where it finds the runtime.
    pub(super) fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        // Not in `block_on`: a task that yields would be woken by a turn that never comes.
        let _entered = self.runtime.enter();
        f()
    }

    /// Runs what can run at once.
    pub(super) fn settle(&self, doorbell: &Doorbell) {
        self.wait(doorbell, Duration::from_millis(1));
    }

    /// Runs what there is, until a task of the trial is woken.
    pub(super) fn pass(&self, doorbell: &Doorbell) -> Passed {
        self.wait(doorbell, self.patience)
    }

    fn wait(&self, doorbell: &Doorbell, patience: Duration) -> Passed {
        self.runtime.block_on(async {
            let begun = Instant::now();
            let mut patience = pin!(sleep(patience));
            let rung = poll_fn(|cx| {
                if doorbell.listen(cx.waker().clone()) {
                    return Poll::Ready(true);
                }
                patience.as_mut().poll(cx).map(|()| false)
            });
            let woken = rung.await;
            let time = begun < Instant::now();
            Passed { woken, time }
        })
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.enter(|| self.begun.elapsed())
    }

    pub(super) fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }
}
