//! The tasks of a trial as the runtime of a scope.

use std::time::{Duration, Instant};

use hangup::runtime::{BoxFuture, Runtime};
use hangup_test::Trial;

/// Runs asynchronous undos, signals and tasks of `hangup` as tasks of the trial.
pub(crate) struct OnTrial(pub(crate) Trial);

impl Runtime for OnTrial {
    fn spawn(&self, task: BoxFuture<()>) {
        self.0.spawn(task);
    }

    fn now(&self) -> Instant {
        unreachable!("these handlers have no deadlines")
    }

    fn sleep(&self, _: Duration) -> BoxFuture<()> {
        unreachable!("these handlers have no deadlines")
    }
}
