//! A tokio runtime as a [`Runtime`].

use std::sync::Arc;
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

/// The runtime that this thread is in.
pub(super) fn current() -> Option<Arc<dyn Runtime>> {
    let handle = Handle::try_current().ok()?;
    Some(Arc::new(handle))
}
