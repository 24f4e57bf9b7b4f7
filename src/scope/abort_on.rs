//! Binding a scope to a signal.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use super::Scope;
use crate::runtime::{self, NoRuntime, poll_unbudgeted};
use crate::state::CloseReason;

impl Scope {
    /// Binds the whole scope to a signal: when it fires, a [drain begins](Self::begin_drain)
    /// and every connection closes as [`Aborted`](CloseReason::Aborted). This gives a scope
    /// a parent: the `cancelled_owned()` of the parent's `CancellationToken`.
    ///
    /// One task listens for all connections. It ends when the signal has fired or the scope
    /// is [drained](Self::drained), and keeps the scope alive until then. A signal that has
    /// fired already takes effect before this returns. A signal that panics counts as one
    /// that never fires.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`] if the signal has not fired and there is no
    /// [`Runtime`](crate::runtime) to wait on. The scope is not bound then.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use hangup::{CloseReason, OpenError, Scope};
    /// use tokio_util::sync::CancellationToken;
    ///
    /// let (server, scope) = (CancellationToken::new(), Scope::new());
    /// scope.abort_on(server.child_token().cancelled_owned())?;
    /// let live = scope.open()?.register()?.go_live()?;
    ///
    /// server.cancel();
    /// assert_eq!(live.handle().closed().await.reason, CloseReason::Aborted);
    /// assert_eq!(scope.open().unwrap_err(), OpenError::Draining);
    /// # Ok(())
    /// # }
    /// ```
    pub fn abort_on<S>(&self, signal: S) -> Result<(), NoRuntime>
    where
        S: Future + Send + 'static,
    {
        let scope = self.clone();
        let mut bridge = Box::pin(async move {
            let mut drained = scope.drained();
            let mut signal = pin!(signal);
            poll_fn(|cx| {
                if signal.as_mut().poll(cx).is_ready() {
                    scope.begin_drain();
                    scope.close_all(CloseReason::Aborted);
                    return Poll::Ready(());
                }
                Pin::new(&mut drained).poll(cx)
            })
            .await;
        });
        // Polled here, so that a signal that has fired is never missed; the task polls it
        // again, with its own waker.
        let mut cx = Context::from_waker(Waker::noop());
        if poll_unbudgeted(&mut bridge, &mut cx).is_pending() {
            let given = self.runtime().cloned();
            let runtime = given.or_else(runtime::current).ok_or(NoRuntime)?;
            runtime.spawn(bridge);
        }
        Ok(())
    }
}
