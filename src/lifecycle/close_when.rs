//! Closing a connection when a signal fires.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{FailOnPanic, Handle, WaitForClosed};
use crate::state::{CloseReason, Closed};

pin_project! {
    /// Future of [`Handle::close_when`](crate::Handle::close_when).
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
    /// Closes with `reason` when `signal` fires: [`Pending::abort_on`](crate::Pending::abort_on)
    /// without a task.
    ///
    /// The connection closes in a poll of this future, so spawn it on a task that does not
    /// depend on the connection's owner. It resolves as soon as the connection has closed,
    /// with the reason that won, and drops `signal` before that. If `signal` panics, the
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
        ready!(FailOnPanic::poll(
            this.handle.lifecycle(),
            signal,
            |signal| { signal.poll(cx) }
        ));

        // `Err` if another close won; the connection is closed in either case.
        let unwind = this.handle.lifecycle().begin_close(*this.reason);
        // The signal is newer than the undos.
        this.signal.set(None);
        drop(unwind);
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
