//! Binding a connection to a signal.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::Pending;
use crate::error::OpenError;
use crate::lifecycle::{FailOnPanic, Handle, WaitForClosed};
use crate::runtime::{NoRuntime, poll_unbudgeted};
use crate::state::{CloseReason, Closed};

impl Pending {
    /// Binds the connection to a signal: when it fires, the connection closes as
    /// [`Aborted`](CloseReason::Aborted), in whatever phase it is and whether or not its
    /// owner is polled.
    ///
    /// A signal is any future: a `CancellationToken`'s `cancelled_owned()`, a oneshot, a
    /// `watch` that changes. A task of its own waits for it, on the
    /// [runtime](crate::runtime) of the connection. The close drops the signal before
    /// anything is undone, so that a long-lived signal keeps no listener; if the signal is
    /// being polled at that moment, the task drops it when the poll returns. The empty task
    /// ends when the runtime next polls it. A connection can be bound to several signals.
    ///
    /// # Errors
    ///
    /// In each case the connection has closed, and there is no `Pending` to continue with:
    ///
    /// - [`OpenError::Closed`] if the signal has fired already, or the connection has been
    ///   closed.
    /// - [`OpenError::NoRuntime`] if there is no runtime to wait on.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use hangup::{CloseReason, OpenError, Scope};
    /// use tokio::sync::oneshot;
    ///
    /// let scope = Scope::new();
    /// let (cancel, cancelled) = oneshot::channel::<()>();
    /// let live = scope.open()?.abort_on(cancelled)?.register()?.go_live()?;
    ///
    /// cancel.send(()).unwrap();
    /// assert_eq!(live.handle().closed().await.reason, CloseReason::Aborted);
    ///
    /// // With a signal that has fired already, nothing begins.
    /// let error = scope.open()?.abort_on(async {}).unwrap_err();
    /// assert!(matches!(error, OpenError::Closed(closed) if closed.reason == CloseReason::Aborted));
    /// # Ok(())
    /// # }
    /// ```
    pub fn abort_on<S>(self, signal: S) -> Result<Self, OpenError>
    where
        S: Future + Send + 'static,
    {
        let mut bridge = Bridge::new(self.handle(), signal);
        // Polled here, so that a signal that has fired is never missed; the task polls it
        // again, with its own waker.
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(closed) = poll_unbudgeted(&mut bridge, &mut cx) {
            return Err(closed.into());
        }
        let runtime = self.lifecycle().runtime().ok_or(NoRuntime)?;
        runtime.spawn(Box::pin(async {
            bridge.await;
        }));
        Ok(self)
    }
}

/// What the task polls until the connection has closed.
struct Bridge<S> {
    handle: Handle,
    closed: WaitForClosed,
    ends: Arc<Ends<S>>,
}

/// The part of the bridge that the close reaches.
struct Ends<S> {
    /// In its place unless it is being polled, so that the close drops it wherever the task
    /// is (I7).
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
        // The close wakes the bridge, which drops the signal, and not the task.
        let close = Waker::from(Arc::clone(&this.ends));
        let closed = Pin::new(&mut this.closed).poll(&mut Context::from_waker(&close));
        if closed.is_ready() {
            return closed;
        }
        let lifecycle = this.handle.lifecycle();
        let mut signal = lock(&this.ends.signal).take();
        let fired = FailOnPanic::run(lifecycle, Pin::new(&mut signal), |mut slot| {
            let fired = match &mut *slot {
                Some(signal) => signal.as_mut().poll(cx).is_ready(),
                None => false,
            };
            if fired {
                slot.set(None);
            }
            fired
        });
        if fired {
            // `Err` if another close won.
            let _: Result<(), Closed> = lifecycle.close(CloseReason::Aborted);
        } else {
            // Back in its place, where the close finds it.
            *lock(&this.ends.signal) = signal;
        }
        // Checked after the signal is back: either the close finds the signal, or this check
        // finds the close, and the signal is dropped with the task.
        lifecycle.closed().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<S: Send + 'static> Wake for Ends<S> {
    fn wake(self: Arc<Self>) {
        // Taken before the task is woken, so that the task does not take it: the task might
        // not be done with it when the undo begins. Dropped last, since its drop may panic.
        let _signal = lock(&self.signal).take();
        let task = lock(&self.task).take();
        if let Some(task) = task {
            task.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
