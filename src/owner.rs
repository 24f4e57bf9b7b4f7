//! The one owner of a connection, and how it waits to be told of the end.

use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::handle::Handle;
use crate::lifecycle::Lifecycle;
use crate::panic::contain;
use crate::state::{CloseReason, Closed};

/// What all typed states have in common: dropping it closes the connection.
///
/// Not `Clone`: one owner, so that its drop means the end (I2).
#[derive(Debug)]
pub(crate) struct Owner(Arc<Lifecycle>);

impl Owner {
    pub(crate) fn new(lifecycle: Arc<Lifecycle>) -> Self {
        Self(lifecycle)
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle::new(self.share())
    }

    pub(crate) fn share(&self) -> Arc<Lifecycle> {
        Arc::clone(&self.0)
    }

    pub(crate) fn shared(&self) -> &Arc<Lifecycle> {
        &self.0
    }
}

impl Deref for Owner {
    type Target = Lifecycle;

    #[inline]
    fn deref(&self) -> &Lifecycle {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.release(CloseReason::Dropped);
    }
}

/// The owner's place to sleep, which a close wakes.
///
/// It remembers the waker that it has left with the lifecycle, so that polling
/// again from the same task takes no lock.
#[derive(Debug, Default)]
pub(crate) struct Parking(Option<Waker>);

impl Parking {
    /// `Ready` if the connection has closed; else a close will wake the task.
    pub(crate) fn poll_closed(&mut self, lifecycle: &Lifecycle, cx: &Context<'_>) -> Poll<Closed> {
        self.park(lifecycle, cx, |_| ());
        // After the waker is there, also when it was there before: a close takes
        // it only when the word says so already.
        lifecycle.closed().map_or(Poll::Pending, Poll::Ready)
    }

    /// Leaves the waker for a close, and for the source of a reader that is watched.
    pub(crate) fn poll_read(&mut self, lifecycle: &Lifecycle, cx: &Context<'_>) -> Poll<Closed> {
        self.park(lifecycle, cx, |waker| lifecycle.park_reader(waker.clone()));
        lifecycle.closed().map_or(Poll::Pending, Poll::Ready)
    }

    fn park(&mut self, lifecycle: &Lifecycle, cx: &Context<'_>, also: impl FnOnce(&Waker)) {
        let waker = cx.waker();
        if !self.0.as_ref().is_some_and(|left| left.will_wake(waker)) {
            lifecycle.park_owner(waker.clone());
            also(waker);
            self.0 = Some(waker.clone());
        }
    }
}

/// Closes as `Failed` unless it is disarmed: what it stands around has panicked.
#[must_use]
pub(crate) struct FailOnUnwind<'a>(Option<&'a Lifecycle>);

impl<'a> FailOnUnwind<'a> {
    pub(crate) fn new(lifecycle: &'a Lifecycle) -> Self {
        Self(Some(lifecycle))
    }

    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for FailOnUnwind<'_> {
    fn drop(&mut self) {
        if let Some(lifecycle) = self.0 {
            // Whoever closed it before had a reason of its own.
            let _: Result<(), Closed> = lifecycle.close(CloseReason::Failed);
        }
    }
}

/// Polls what is in `slot`. If that panics: closes as `Failed`, empties the slot, and
/// only then runs the undo, newest first.
pub(crate) struct Polling<'a, T> {
    lifecycle: &'a Lifecycle,
    slot: Pin<&'a mut Option<T>>,
}

impl<'a, T> Polling<'a, T> {
    #[inline]
    pub(crate) fn poll<R>(
        lifecycle: &'a Lifecycle,
        slot: Pin<&'a mut Option<T>>,
        poll: impl FnOnce(Pin<&mut T>) -> R,
    ) -> R {
        // Before there is anything to be done about a panic, so that none is expected from
        // a source that does not.
        assert!(slot.is_some(), "polled after completion");
        let mut this = Self { lifecycle, slot };
        let source = this.slot.as_mut().as_pin_mut();
        let polled = poll(source.expect("just seen"));
        std::mem::forget(this);
        polled
    }
}

impl<T> Drop for Polling<'_, T> {
    // By parts, so that nothing has to be put down for it before the poll.
    #[inline]
    fn drop(&mut self) {
        fail(self.lifecycle, self.slot.as_mut());
    }
}

#[cold]
fn fail<T>(lifecycle: &Lifecycle, mut slot: Pin<&mut Option<T>>) {
    let ended = lifecycle.begin_close(CloseReason::Failed);
    // Contained: a panic is under way already.
    let _: Result<(), String> = contain(|| slot.set(None));
    drop(ended);
}

/// What the owner can do in every state.
macro_rules! owner_methods {
    ($state:ident) => {
        impl $state {
            /// Closes the connection. `Ok` if this call closed it.
            ///
            /// # Errors
            ///
            /// [`Closed`](crate::Closed) if it had been closed already, with the
            /// reason that won.
            pub fn close(self, reason: $crate::CloseReason) -> Result<(), $crate::Closed> {
                self.owner.close(reason)
            }

            /// A handle to the connection.
            #[must_use]
            pub fn handle(&self) -> $crate::Handle {
                self.owner.handle()
            }

            /// The connection's identity.
            #[must_use]
            pub fn id(&self) -> $crate::ConnectionId {
                self.owner.id()
            }

            #[inline]
            pub(crate) fn lifecycle(&self) -> &$crate::lifecycle::Lifecycle {
                &self.owner
            }
        }
    };
}
pub(crate) use owner_methods;
