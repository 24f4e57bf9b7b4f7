//! Tasks that belong to a connection.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Live, Registering};
use crate::lifecycle::{FailOnPanic, Handle, TaskId, WaitForClosed};
use crate::state::Closed;

pin_project! {
    /// Future of [`Registering::track`] and [`Live::track`].
    #[must_use = "futures do nothing unless polled, and the connection cannot settle before it is dropped"]
    pub struct Tracked<F> {
        handle: Handle,
        closed: WaitForClosed,
        // Dropped as soon as it has ended.
        #[pin]
        future: Option<F>,
        // `Some` while the connection waits for this task.
        task: Option<TaskId>,
    }

    impl<F> PinnedDrop for Tracked<F> {
        fn drop(this: Pin<&mut Self>) {
            this.end();
        }
    }
}

macro_rules! track {
    ($state:ident) => {
        impl $state {
            /// Makes `work` a task of this connection: the returned future runs it, and may
            /// be spawned anywhere. [`spawn`](Self::spawn) does both.
            ///
            /// When the connection closes, the task is woken and `work` is dropped, and only
            /// then the undo begins: no task overlaps the undo of what it works with, and
            /// [`Handle::settled`] tells that none is left. So the connection cannot settle
            /// before this future is complete or dropped, and the undo runs there instead of
            /// on the thread that closes.
            ///
            /// When `work` completes, the connection stays open. When `work` panics, the
            /// connection closes [`Failed`](crate::CloseReason::Failed). If the connection
            /// has closed already, `work` is never polled.
            ///
            /// # Errors
            ///
            /// [`Closed`] if the connection closed before `work` was complete.
            ///
            /// # Cancel safety
            ///
            /// To drop the future drops `work`, and the connection stays open.
            #[track_caller]
            pub fn track<F: Future>(&self, work: F) -> Tracked<F> {
                Tracked::new(self.handle(), work)
            }
        }
    };
}

track!(Registering);
track!(Live);

impl<F> Tracked<F> {
    #[track_caller]
    fn new(handle: Handle, future: F) -> Self {
        let task = handle.lifecycle().begin_task(None, Location::caller());
        Self {
            closed: handle.closed(),
            handle,
            future: Some(future),
            task,
        }
    }

    fn end(self: Pin<&mut Self>) {
        let mut this = self.project();
        // Ends the task after the work is dropped (I2), also if that drop panics.
        let _end_task = this.task.take().map(|task| EndTask(this.handle, task));
        this.future.set(None);
    }
}

struct EndTask<'a>(&'a Handle, TaskId);

impl Drop for EndTask<'_> {
    fn drop(&mut self) {
        self.0.lifecycle().end_task(self.1);
    }
}

impl<F: Future> Future for Tracked<F> {
    type Output = Result<F::Output, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        assert!(this.future.is_some(), "`Tracked` polled after completion");
        let output = match Pin::new(&mut *this.closed).poll(cx) {
            Poll::Ready(closed) => Err(closed),
            Poll::Pending => {
                let future = this.future.as_mut();
                match FailOnPanic::poll(this.handle.lifecycle(), future, |future| future.poll(cx)) {
                    Poll::Ready(output) => Ok(output),
                    Poll::Pending => return Poll::Pending,
                }
            }
        };
        self.end();
        Poll::Ready(output)
    }
}

impl<F> fmt::Debug for Tracked<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
