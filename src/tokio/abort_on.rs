//! Binding a connection to a signal.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use ::tokio::task::unconstrained;

use crate::{CloseReason, Closed, Handle, Pending, Scope, WaitForClosed};

impl Pending {
    /// Binds the connection to a signal: when it fires, the connection closes as
    /// [`Aborted`](CloseReason::Aborted), in whatever phase it is and whether or not
    /// anybody polls its owner.
    ///
    /// A signal is any future: a `CancellationToken`'s `cancelled_owned()`, a
    /// oneshot, a `watch` that changes. It is waited for on a task of its own. The close
    /// drops it, before anything is undone, so that a long-lived signal keeps no listener;
    /// or, if it is being polled just then, the task does when that poll returns. The task,
    /// with nothing left in it, ends when the runtime next comes to it. A connection can be
    /// bound to several signals.
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
        let mut bridge = Bridge::new(self.handle(), signal);
        if let Some(closed) = poll_now(&mut bridge) {
            return Err(closed);
        }
        ::tokio::spawn(bridge);
        Ok(self)
    }
}

impl Scope {
    /// Binds the whole scope to a signal: when it fires, a [drain
    /// begins](Self::begin_drain) and every connection closes as
    /// [`Aborted`](CloseReason::Aborted). That is how a scope is given a parent: its
    /// `CancellationToken`'s `cancelled_owned()`.
    ///
    /// It is one listener for all connections, on one task, which ends when the signal
    /// has fired or the scope has [settled](Self::settled), and keeps the scope until then.
    /// If the signal has fired already, it is as if it did so now. A signal that panics has
    /// not fired, and is bound no more.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, unless the signal has fired already.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use hangup::{CloseReason, Refused, Scope};
    /// use tokio_util::sync::CancellationToken;
    ///
    /// let (server, scope) = (CancellationToken::new(), Scope::new());
    /// scope.abort_on(server.child_token().cancelled_owned());
    /// let live = scope.open()?.register()?.go_live()?;
    ///
    /// server.cancel();
    /// assert_eq!(live.handle().closed().await.reason, CloseReason::Aborted);
    /// assert_eq!(scope.open().unwrap_err(), Refused::Draining);
    /// # Ok(())
    /// # }
    /// ```
    pub fn abort_on<S>(&self, signal: S)
    where
        S: Future + Send + 'static,
    {
        let scope = self.clone();
        let mut bridge = Box::pin(async move {
            let mut settled = scope.settled();
            let mut signal = pin!(signal);
            poll_fn(|cx| {
                if signal.as_mut().poll(cx).is_ready() {
                    scope.begin_drain();
                    scope.close_all(CloseReason::Aborted);
                    return Poll::Ready(());
                }
                Pin::new(&mut settled).poll(cx)
            })
            .await;
        });
        if poll_now(&mut bridge).is_none() {
            ::tokio::spawn(bridge);
        }
    }
}

/// Polls here and now, so that a signal that has fired is never missed; without a
/// budget, since to a task that has used up its own nothing ever is ready. A task of its
/// own polls it again, with its own waker.
fn poll_now<F: Future + Unpin>(bridge: &mut F) -> Option<F::Output> {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(unconstrained(bridge)).poll(&mut cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// What the task polls until the connection has closed.
struct Bridge<S> {
    handle: Handle,
    closed: WaitForClosed,
    ends: Arc<Ends<S>>,
}

/// What the close gets hold of.
struct Ends<S> {
    /// Here unless it is being polled, so that the close drops it wherever the task is
    /// (I7).
    signal: Mutex<Option<Pin<Box<S>>>>,
    task: Mutex<Option<Waker>>,
}

impl<S: Future + Send + 'static> Bridge<S> {
    fn new(handle: Handle, signal: S) -> Self {
        Self {
            closed: handle.closed(),
            handle,
            ends: Arc::new(Ends {
                signal: Mutex::new(Some(Box::pin(signal))),
                task: Mutex::new(None),
            }),
        }
    }
}

impl<S: Future + Send + 'static> Future for Bridge<S> {
    type Output = Closed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Closed> {
        let this = &mut *self;
        let task = cx.waker().clone();
        let replaced = lock(&this.ends.task).replace(task);
        drop(replaced);
        // The close does not wake the task but its end of the bridge.
        let close = Waker::from(Arc::clone(&this.ends));
        let closed = Pin::new(&mut this.closed).poll(&mut Context::from_waker(&close));
        if closed.is_ready() {
            return closed;
        }
        // Before the signal, so that it is dropped after it: the undo comes last.
        let failing = FailOnUnwind(Some(&this.handle));
        let taken = lock(&this.ends.signal).take();
        let mut fired = false;
        if let Some(mut signal) = taken {
            fired = signal.as_mut().poll(cx).is_ready();
            if fired {
                drop(signal);
            } else {
                // Back where the close finds it.
                *lock(&this.ends.signal) = Some(signal);
            }
        }
        failing.disarm();
        if fired {
            // Whatever reason it had before ours, it is closed.
            let _: Result<(), Closed> = this.handle.close(CloseReason::Aborted);
        }
        // After the signal is back: either the close finds it, or is found here, and it goes
        // with the task.
        let closed = this.handle.state().closed();
        closed.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<S: Send> Wake for Ends<S>
where
    S: 'static,
{
    fn wake(self: Arc<Self>) {
        // Taken before the task can, which would not be done with it when the undo begins;
        // dropped last, since that may panic.
        let _signal = lock(&self.signal).take();
        let task = lock(&self.task).take();
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// Closes as `Failed` unless it is disarmed: the signal has panicked.
struct FailOnUnwind<'a>(Option<&'a Handle>);

impl FailOnUnwind<'_> {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for FailOnUnwind<'_> {
    fn drop(&mut self) {
        if let Some(handle) = self.0 {
            let _: Result<(), Closed> = handle.close(CloseReason::Failed);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
