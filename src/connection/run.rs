//! A loop of one's own on a live connection: a WebSocket, say.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::Live;
use super::abortable::Abortable;
use crate::state::{CloseReason, Closed};

pin_project! {
    /// Future of [`Live::run`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Run<F> {
        #[pin]
        inner: Abortable<F>,
    }
}

impl Live {
    /// Runs a loop of one's own on this connection: a WebSocket, say.
    ///
    /// When `body` completes, the connection closes `Completed`, or with the reason that
    /// `body` gave to its [`Handle`](crate::Handle). When the connection is closed from
    /// elsewhere, the task is woken and `body` is dropped. When `body` panics, the
    /// connection closes `Failed`. An output that is an `Err` is an output: to record a
    /// failure, close the handle as `Failed` first.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the connection closed before `body` was complete.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection as `Dropped`.
    pub fn run<F: Future>(self, body: F) -> Run<F> {
        Run::new(self, body)
    }
}

impl<F> Run<F> {
    pub(crate) fn new(live: Live, future: F) -> Self {
        Self {
            inner: Abortable::new(live, future),
        }
    }
}

impl<F: Future> Future for Run<F> {
    type Output = Result<F::Output, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut inner = self.project().inner;
        assert!(inner.source().is_some(), "`Run` polled after completion");
        let output = ready!(inner.as_mut().poll(cx, F::poll))?;
        inner.finish(CloseReason::Completed);
        Poll::Ready(Ok(output))
    }
}

impl<F> fmt::Debug for Run<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("live", &self.inner)
            .finish_non_exhaustive()
    }
}
