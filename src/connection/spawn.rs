//! Spawning tasks of a connection.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::{Live, Registering, Tracked};
use crate::lifecycle::Handle;
use crate::runtime::Runtime;
use crate::state::{CloseReason, Closed};
use crate::sync::{Mutex, lock};

/// Future of [`Live::spawn`] and [`Registering::spawn`]: resolves to the output of a task.
///
/// To drop it detaches from the task, and does not detach the task from its connection.
///
/// # Cancel safety
///
/// To drop it leaves the task running.
pub struct Spawned<T> {
    shared: Arc<Mutex<Shared<T>>>,
}

struct Shared<T> {
    output: Option<Result<T, Closed>>,
    /// The waker of the `Spawned`.
    waiter: Option<Waker>,
    aborted: bool,
    /// The waker of the task.
    task: Option<Waker>,
}

pin_project! {
    /// What the runtime polls.
    struct Task<F: Future> {
        handle: Handle,
        // `None` once the task has ended.
        #[pin]
        work: Option<Tracked<F>>,
        shared: Arc<Mutex<Shared<F::Output>>>,
    }

    impl<F: Future> PinnedDrop for Task<F> {
        fn drop(this: Pin<&mut Self>) {
            if this.work.is_some() {
                // The runtime drops the task before its end, or `work` panicked.
                this.fail();
            }
        }
    }
}

macro_rules! spawn {
    ($state:ident) => {
        impl $state {
            /// Spawns `work` as a task of this connection, which ends at the close.
            ///
            /// It is a [tracked](Self::track) task on the [runtime](crate::runtime) of the
            /// connection: the undo begins after it has been dropped, and it is gone when
            /// the connection has settled. A close drops `work` at its current await, so the
            /// lines after that await never run: what must happen in the end belongs into an
            /// undo or a `Drop`, and what must not be cut into [`finish`](Self::finish).
            ///
            /// A task that cannot run to its end fails the connection: if there is no
            /// runtime, or the runtime shuts down, or `work` panics, the connection closes
            /// [`Failed`](crate::CloseReason::Failed).
            ///
            /// # Errors
            ///
            /// [`Closed`], from the returned future, if the connection closed before `work`
            /// was complete.
            ///
            /// # Examples
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// use hangup::{CloseReason, Scope};
            ///
            /// let live = Scope::new().open()?.register()?.go_live()?;
            /// let poller = live.spawn(std::future::pending::<()>());
            ///
            /// live.close(CloseReason::Shutdown)?;
            /// assert_eq!(poller.await.unwrap_err().reason, CloseReason::Shutdown);
            /// # Ok(())
            /// # }
            /// ```
            #[track_caller]
            pub fn spawn<F>(&self, work: F) -> Spawned<F::Output>
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                spawn(self.handle(), self.lifecycle().runtime(), self.track(work))
            }
        }
    };
}

spawn!(Registering);
spawn!(Live);

fn spawn<F>(
    handle: Handle,
    runtime: Option<Arc<dyn Runtime>>,
    work: Tracked<F>,
) -> Spawned<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let shared = Arc::new(Mutex::new(Shared {
        output: None,
        waiter: None,
        aborted: false,
        task: None,
    }));
    let task = Task {
        handle,
        work: Some(work),
        shared: Arc::clone(&shared),
    };
    match runtime {
        Some(runtime) => runtime.spawn(Box::pin(task)),
        None => drop(task),
    }
    Spawned { shared }
}

impl<T> Spawned<T> {
    /// Drops the work of the task where it stands. The connection stays open.
    pub fn abort(self) {
        let mut shared = lock(&self.shared);
        shared.aborted = true;
        let task = shared.task.take();
        drop(shared);
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl<T> Future for Spawned<T> {
    type Output = Result<T, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = cx.waker().clone();
        let mut shared = lock(&self.shared);
        let output = shared.output.take();
        // The old waker, or the new one if it is not needed, is dropped after the lock is
        // released (I8).
        let _unneeded = match output {
            None => shared.waiter.replace(waker),
            Some(_) => Some(waker),
        };
        drop(shared);
        output.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<F: Future> Task<F> {
    fn fail(self: Pin<&mut Self>) {
        let mut this = self.project();
        let lifecycle = this.handle.lifecycle();
        // `Err` if the connection had closed. The undo waits for the work (I2).
        let _: Result<(), Closed> = lifecycle.close(CloseReason::Failed);
        lifecycle.catch_panic(|| this.work.set(None));
        let closed = lifecycle.closed().expect("closed just now, or before");
        finish(this.shared, Err(closed));
    }
}

impl<F: Future> Future for Task<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let task = cx.waker().clone();
        let mut shared = lock(this.shared);
        let replaced = shared.task.replace(task);
        let aborted = shared.aborted;
        drop(shared);
        drop(replaced);
        if aborted {
            this.work.set(None);
            return Poll::Ready(());
        }
        let work = this.work.as_mut().as_pin_mut();
        let Poll::Ready(output) = work.expect("polled after completion").poll(cx) else {
            return Poll::Pending;
        };
        this.work.set(None);
        finish(this.shared, output);
        Poll::Ready(())
    }
}

fn finish<T>(shared: &Mutex<Shared<T>>, output: Result<T, Closed>) {
    let mut shared = lock(shared);
    shared.output = Some(output);
    let waiter = shared.waiter.take();
    // The waker keeps the task alive on some executors.
    let task = shared.task.take();
    drop(shared);
    drop(task);
    if let Some(waiter) = waiter {
        waiter.wake();
    }
}

impl<T> fmt::Debug for Spawned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawned").finish_non_exhaustive()
    }
}
