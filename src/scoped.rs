//! Work that belongs to a connection.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::handle::{Handle, WaitForClosed};
use crate::live::Live;
use crate::owner::Polling;
use crate::registering::Registering;
use crate::state::Closed;

pin_project! {
    /// Future of [`Registering::scoped`] and [`Live::scoped`].
    #[must_use = "futures do nothing unless polled, and the connection cannot settle before it is dropped"]
    pub struct Scoped<F> {
        handle: Handle,
        closed: WaitForClosed,
        // Dropped as soon as it has ended.
        #[pin]
        future: Option<F>,
        // Whether the connection waits for it.
        counted: bool,
    }

    impl<F> PinnedDrop for Scoped<F> {
        fn drop(this: Pin<&mut Self>) {
            this.end();
        }
    }
}

macro_rules! scoped {
    ($state:ident) => {
        impl $state {
            /// Work that belongs to this connection, to be run beside it: spawn it
            /// anywhere.
            ///
            /// When the connection closes, the work's task is woken and `work` is
            /// dropped. Only then does the undo begin, so no work overlaps the undo of
            /// what it works with, and [`Handle::settled`] tells that none is left.
            /// That also means that the connection cannot settle before this future is
            /// complete or dropped, and that the undo runs there instead of on the
            /// thread that closes.
            ///
            /// When `work` completes, the connection goes on. When it panics, the
            /// connection closes [`Failed`](crate::CloseReason::Failed). If the
            /// connection has closed already, `work` is never polled.
            ///
            /// On tokio, there is `spawn`.
            ///
            /// # Errors
            ///
            /// [`Closed`] if the connection closed before `work` was complete.
            ///
            /// # Cancel safety
            ///
            /// Dropping the future drops `work`, and the connection goes on.
            pub fn scoped<F: Future>(&self, work: F) -> Scoped<F> {
                Scoped::new(self.handle(), work)
            }
        }
    };
}

scoped!(Registering);
scoped!(Live);

impl<F> Scoped<F> {
    fn new(handle: Handle, future: F) -> Self {
        let counted = handle.lifecycle().begin_task();
        Self {
            closed: handle.closed(),
            handle,
            future: Some(future),
            counted,
        }
    }

    fn end(self: Pin<&mut Self>) {
        let mut this = self.project();
        // In this order, whatever the drop does: the undo comes after the work (I2).
        let _counted = std::mem::take(this.counted).then(|| EndTask(this.handle));
        this.future.set(None);
    }
}

struct EndTask<'a>(&'a Handle);

impl Drop for EndTask<'_> {
    fn drop(&mut self) {
        self.0.lifecycle().end_task();
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = Result<F::Output, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        assert!(this.future.is_some(), "`Scoped` polled after completion");
        let output = match Pin::new(&mut *this.closed).poll(cx) {
            Poll::Ready(closed) => Err(closed),
            Poll::Pending => {
                let future = this.future.as_mut();
                match Polling::poll(this.handle.lifecycle(), future, |future| future.poll(cx)) {
                    Poll::Ready(output) => Ok(output),
                    Poll::Pending => return Poll::Pending,
                }
            }
        };
        self.end();
        Poll::Ready(output)
    }
}

impl<F> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
