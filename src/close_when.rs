//! A bridge from a signal to a connection, for any executor.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::handle::{Handle, WaitForClosed};
use crate::owner::Polling;
use crate::state::{CloseReason, Closed};

pin_project! {
    /// Future of [`Handle::close_when`].
    #[must_use = "futures do nothing unless polled"]
    pub struct CloseWhen<S> {
        handle: Handle,
        closed: WaitForClosed,
        reason: CloseReason,
        // Dropped as soon as it has fired or the connection has closed (I7).
        #[pin]
        signal: Option<S>,
    }
}

impl Handle {
    /// Closes with `reason` when `signal` fires; the runtime-agnostic form of
    /// `Pending::abort_on`.
    ///
    /// The future does the closing, so spawn it where it is polled whatever happens to
    /// the connection's owner. It resolves as soon as the connection has closed, with
    /// whatever reason won, and drops `signal` before that. If `signal` panics, the
    /// connection closes as [`Failed`](CloseReason::Failed).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future detaches the signal and leaves the connection as it is.
    pub fn close_when<S: Future>(&self, signal: S, reason: CloseReason) -> CloseWhen<S> {
        CloseWhen::new(self.clone(), signal, reason)
    }
}

impl<S> CloseWhen<S> {
    pub(crate) fn new(handle: Handle, signal: S, reason: CloseReason) -> Self {
        Self {
            closed: handle.closed(),
            handle,
            reason,
            signal: Some(signal),
        }
    }
}

impl<S: Future> Future for CloseWhen<S> {
    type Output = Closed;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Closed> {
        let mut this = self.project();
        if let Poll::Ready(closed) = Pin::new(&mut *this.closed).poll(cx) {
            this.signal.set(None);
            return Poll::Ready(closed);
        }
        let signal = this.signal.as_mut();
        ready!(Polling::poll(this.handle.lifecycle(), signal, |signal| {
            signal.poll(cx)
        }));

        // Somebody else may have been first; closed it is either way.
        let ended = this.handle.lifecycle().begin_close(*this.reason);
        // Before the undo runs, which is none of the signal's business.
        this.signal.set(None);
        drop(ended);
        Pin::new(&mut *this.closed).poll(cx)
    }
}

impl<S> fmt::Debug for CloseWhen<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseWhen")
            .field("handle", &self.handle)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}
