//! The runtimes under test.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::executor::block_on;
use hangup::runtime::{BoxFuture, Runtime};

/// A thread for each task and each timer: an executor that knows nothing of tokio.
pub(crate) struct Threads;

impl Runtime for Threads {
    fn spawn(&self, task: BoxFuture<()>) {
        thread::spawn(|| block_on(task));
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let (sender, receiver) = oneshot::channel();
        thread::spawn(move || {
            // This is what `sleep` of this runtime is: its timer. No test waits by it for another
            // thread to have done something.
            thread::sleep(duration);
            sender.send(())
        });
        Box::pin(receiver.map(drop))
    }
}

/// Runs `case` on each runtime. The caller is outside of it.
pub(crate) fn on_each(case: impl Fn(Arc<dyn Runtime>)) {
    case(Arc::new(Threads));
    #[cfg(feature = "tokio")]
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap();
        case(Arc::new(runtime.handle().clone()));
    }
}
