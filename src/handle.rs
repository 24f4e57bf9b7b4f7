//! Seeing and closing a connection from anywhere.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::id::ConnectionId;
use crate::lifecycle::{Lifecycle, Moment};
use crate::settled::Settled;
use crate::state::{CloseReason, Closed, State};
use crate::waiters::WaiterKey;

/// Observes and closes a connection from anywhere.
///
/// A handle is cheap to clone and never keeps a connection open: when the owner
/// is dropped, the connection closes, however many handles there are.
///
/// Two handles are equal if they are of the same connection. To have them as keys, take
/// their [ids](Self::id).
///
/// # Examples
///
/// ```
/// use hangup::{CloseReason, Scope};
///
/// let scope = Scope::new();
/// let pending = scope.open()?;
/// let handle = pending.handle();
///
/// assert!(handle.close(CloseReason::Shutdown).is_ok());
/// // The first reason wins, and the second caller learns it.
/// let closed = handle.close(CloseReason::Idle).unwrap_err();
/// assert_eq!(closed.reason, CloseReason::Shutdown);
/// // The owner cannot go on.
/// assert_eq!(pending.register().unwrap_err(), closed);
/// # Ok::<(), hangup::Refused>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    lifecycle: Arc<Lifecycle>,
}

impl Handle {
    pub(crate) fn new(lifecycle: Arc<Lifecycle>) -> Self {
        Self { lifecycle }
    }

    pub(crate) fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// The connection's identity, unique in this process.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.lifecycle.id()
    }

    /// The state at this instant.
    ///
    /// It may have moved on when you look at it, unless it is `Closed`.
    #[must_use]
    pub fn state(&self) -> State {
        self.lifecycle.state()
    }

    /// Closes the connection. `Ok` if this call closed it.
    ///
    /// When this returns `Ok`, the connection is out of sight of every registry,
    /// its stream yields nothing more but a farewell, and its undo has run on
    /// this thread, newest first. That is, unless there is something to wait for, which no
    /// thread does: [`settled`](Self::settled) tells when it is over.
    ///
    /// - While the owner is in a set-up step ([`Registering::run`](crate::Registering::run)
    ///   or [`finish`](crate::Registering::finish)), the step is stopped first and the
    ///   undo runs where it stops.
    /// - [Work that belongs to the connection](crate::Live::scoped) is stopped first as
    ///   well.
    /// - An [asynchronous undo](crate::Registering::on_close_spawn) runs elsewhere, and
    ///   those that are older after it.
    ///
    /// A panic in an undo or a waker does not reach the caller.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the connection had been closed already, with the reason that
    /// won. Its undo may still be running on another thread.
    pub fn close(&self, reason: CloseReason) -> Result<(), Closed> {
        self.lifecycle.close(reason)
    }

    /// Resolves once the connection is closed; at once if it is already.
    ///
    /// Equivalent to `async fn closed(&self) -> Closed`, but the future borrows
    /// nothing.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub fn closed(&self) -> WaitForClosed {
        WaitForClosed {
            wait: Wait::new(self, Moment::Closed),
        }
    }

    /// Resolves once the connection is closed and everything that was acquired
    /// for it is undone; at once if that is so already.
    ///
    /// Equivalent to `async fn settled(&self) -> Settled`, but the future borrows
    /// nothing.
    ///
    /// An undo that waits for its own connection to settle waits for ever.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub fn settled(&self) -> WaitForSettled {
        WaitForSettled {
            wait: Wait::new(self, Moment::Settled),
        }
    }

    /// What the connection left behind, if it has settled.
    #[must_use]
    pub fn settlement(&self) -> Option<Settled> {
        self.lifecycle.settlement()
    }

    /// Keeps a value of one's own beside the connection, one of each type: the one that
    /// is there, or the one that `make` makes.
    ///
    /// It is let go of when everything is undone, before the connection has settled; after
    /// that, nothing is kept.
    ///
    /// # Examples
    ///
    /// ```
    /// use hangup::Scope;
    ///
    /// struct User(&'static str);
    ///
    /// let pending = Scope::new().open()?;
    /// pending.handle().attach(|| User("ada"));
    /// assert_eq!(pending.handle().attach(|| User("nobody")).0, "ada");
    /// # Ok::<(), hangup::Refused>(())
    /// ```
    pub fn attach<T, F>(&self, make: F) -> Arc<T>
    where
        T: Send + Sync + 'static,
        F: FnOnce() -> T,
    {
        self.lifecycle.attach(None).unwrap_or_else(|| {
            let new = self.lifecycle.attach(Some(make()));
            new.expect("one of the two is there")
        })
    }

    /// Says that the peer is there, which the [idle
    /// deadline](crate::Deadlines::idle) counts from. It costs a load, or a store now
    /// and then.
    pub fn touch(&self) {
        self.lifecycle.touch();
    }

    /// Gives up all asynchronous undos that have not ended: for a server that must end
    /// now.
    ///
    /// The task of the one that is under way is woken and drops it where it stands, those
    /// that would follow are never begun, and all are [reported](Settled::unfinished) by
    /// name. The other undos run as they do otherwise. It does not close the connection,
    /// and does not touch what was registered after everything had been undone.
    pub fn forsake_undos(&self) {
        self.lifecycle.forsake_undos();
    }
}

impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.lifecycle, &other.lifecycle)
    }
}

impl Eq for Handle {}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("id", &self.id())
            .field("state", &self.state())
            .finish()
    }
}

/// Future of [`Handle::closed`].
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct WaitForClosed {
    wait: Wait,
}

impl Future for WaitForClosed {
    type Output = Closed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Closed> {
        self.wait.poll(cx, Lifecycle::closed)
    }
}

/// Future of [`Handle::settled`].
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct WaitForSettled {
    wait: Wait,
}

impl Future for WaitForSettled {
    type Output = Settled;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Settled> {
        self.wait.poll(cx, Lifecycle::settlement)
    }
}

#[derive(Debug)]
struct Wait {
    lifecycle: Arc<Lifecycle>,
    moment: Moment,
    key: Option<WaiterKey>,
}

impl Wait {
    fn new(handle: &Handle, moment: Moment) -> Self {
        Self {
            lifecycle: Arc::clone(&handle.lifecycle),
            moment,
            key: None,
        }
    }

    fn poll<T>(&mut self, cx: &Context<'_>, happened: impl Fn(&Lifecycle) -> Option<T>) -> Poll<T> {
        if let Some(value) = happened(&self.lifecycle) {
            return Poll::Ready(value);
        }
        self.lifecycle
            .wait(self.moment, &mut self.key, cx.waker().clone());
        // Again, since the moment may have passed before the waker was there.
        happened(&self.lifecycle).map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.lifecycle.stop_waiting(self.moment, key);
        }
    }
}
