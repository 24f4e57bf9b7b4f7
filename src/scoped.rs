//! Work that belongs to a connection.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::handle::{Handle, WaitForClosed};
use crate::owner::Polling;
use crate::state::Closed;

pin_project! {
    /// Future of [`Live::scoped`](crate::Live::scoped).
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

impl<F> Scoped<F> {
    pub(crate) fn new(handle: Handle, future: F) -> Self {
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
