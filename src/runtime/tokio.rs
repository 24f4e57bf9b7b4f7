//! A tokio runtime as the tasks and the time of a scope.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::tokio::runtime::Handle;

use super::{BoxFuture, Runtime};

impl Runtime for Handle {
    fn spawn(&self, task: BoxFuture<()>) {
        drop(self.spawn(task));
    }

    fn now(&self) -> Instant {
        // Its time may be paused.
        let _entered = self.enter();
        ::tokio::time::Instant::now().into_std()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let _entered = self.enter();
        Box::pin(::tokio::time::sleep(duration))
    }
}

/// The runtime of this thread, if it is in one.
pub(crate) fn current() -> Option<Arc<dyn Runtime>> {
    let handle = Handle::try_current().ok()?;
    Some(Arc::new(handle))
}
