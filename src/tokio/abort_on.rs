//! Binding a connection to a signal.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use ::tokio::task::unconstrained;

use crate::{CloseReason, Closed, Pending};

impl Pending {
    /// Binds the connection to a signal: when it fires, the connection closes as
    /// [`Aborted`](CloseReason::Aborted), in whatever phase it is and whether or not
    /// anybody polls its owner.
    ///
    /// A signal is any future: a `CancellationToken`'s `cancelled_owned()`, a
    /// oneshot, a `watch` that changes. It is waited for on a task of its own, which
    /// ends soon after the connection has closed, so that a long-lived signal keeps no listener. A
    /// connection can be bound to several signals.
    ///
    /// On another runtime, spawn [`Handle::close_when`](crate::Handle::close_when).
    ///
    /// # Errors
    ///
    /// [`Closed`] if the signal has fired already, or the connection has closed: there
    /// is no `Pending` to go on with.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, unless the signal has fired already. The connection
    /// is closed as `Dropped` then.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use hangup::{CloseReason, Scope};
    /// use tokio::sync::oneshot;
    ///
    /// let scope = Scope::new();
    /// let (cancel, cancelled) = oneshot::channel::<()>();
    /// let live = scope.open()?.abort_on(cancelled)?.register()?.go_live()?;
    ///
    /// cancel.send(()).unwrap();
    /// assert_eq!(live.handle().closed().await.reason, CloseReason::Aborted);
    ///
    /// // One that has fired already leaves nothing to go on with.
    /// let closed = scope.open()?.abort_on(async {}).unwrap_err();
    /// assert_eq!(closed.reason, CloseReason::Aborted);
    /// # Ok(())
    /// # }
    /// ```
    pub fn abort_on<S>(self, signal: S) -> Result<Self, Closed>
    where
        S: Future + Send + 'static,
    {
        let mut bridge = Box::pin(self.handle().close_when(signal, CloseReason::Aborted));
        // Here and now, so that a signal that has fired is never missed; without a
        // budget, since to a task that has used up its own nothing ever is ready.
        // The bridge's task polls it again, with a waker of its own.
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(closed) = pin!(unconstrained(&mut bridge)).poll(&mut cx) {
            return Err(closed);
        }
        ::tokio::spawn(bridge);
        Ok(self)
    }
}
