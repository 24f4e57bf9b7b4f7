//! Observing and closing a connection from anywhere.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::settled::Settled;
use super::{End, Lifecycle, WaitFor, WaitsFor};
use crate::id::ConnectionId;
use crate::state::{CloseReason, Closed, State};
use crate::sync::waiters::WaiterKey;

/// Observes and closes a connection from anywhere.
///
/// A handle is cheap to clone and never keeps a connection open: when the owner is dropped,
/// the connection closes, however many handles there are.
///
/// Two handles are equal if they refer to the same connection. As keys of a map, use their
/// [ids](Self::id).
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
/// # Ok::<(), hangup::OpenError>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    lifecycle: Arc<Lifecycle>,
}

impl Handle {
    pub(crate) fn new(lifecycle: Arc<Lifecycle>) -> Self {
        Self { lifecycle }
    }

    #[inline]
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
    /// Unless it is `Closed`, the connection may have left it when this returns.
    #[must_use]
    pub fn state(&self) -> State {
        self.lifecycle.state()
    }

    /// Closes the connection. `Ok` if this call closed it.
    ///
    /// When this returns `Ok`, no lookup of any registry finds the connection, its stream
    /// yields nothing more but what was asked for, and its undos have run on this thread,
    /// newest first. This call does not wait, so in four cases the undos run later, and
    /// [`settled`](Self::settled) resolves when they are over:
    ///
    /// - The owner undoes: during the set-up, in a [`Live::step`](crate::Live::step), and in
    ///   [`Live::run`](crate::Live::run). It is woken, stops what is in flight, and the undos
    ///   run where it is dropped.
    /// - The connection has [tasks](crate::Live::track): they are stopped first, and the
    ///   undos run where the last one stops.
    /// - An [asynchronous undo](crate::Registering::on_close_async) runs on its runtime, and
    ///   the older undos run after it.
    /// - This call is made by an undo that stands in a chain of 64 undos, each of which has ended
    ///   the next connection: they run when the first one of the chain is over.
    ///
    /// A panic in an undo or a waker does not reach the caller.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the connection had been closed already, with the reason that won. Its
    /// undos may still be running on another thread.
    pub fn close(&self, reason: CloseReason) -> Result<(), Closed> {
        self.lifecycle.close(reason)
    }

    /// [`close`](Self::close), with words for the farewell, for observers and for
    /// [`Registry::last_close`](crate::Registry::last_close). If this call closes the
    /// connection, no thread sees it closed without these words.
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close). Then `words` are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hangup::{CloseReason, Scope};
    /// # let live = Scope::new().open()?.register()?.go_live()?;
    /// let handle = live.handle();
    /// handle.close_with(CloseReason::App(7), "the room is gone")?;
    /// assert_eq!(handle.end().unwrap().to_string(), "app(7): the room is gone");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_with(
        &self,
        reason: CloseReason,
        words: impl Into<Arc<str>>,
    ) -> Result<(), Closed> {
        self.lifecycle.close_with(reason, Some(words.into()), None)
    }

    /// How the connection ended, or `None` while it is open.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        let closed = self.lifecycle.closed()?;
        Some(self.lifecycle.end(closed))
    }

    /// Resolves once the connection is closed; at once if it is closed already.
    ///
    /// Equivalent to `async fn closed(&self) -> Closed`, but the future borrows
    /// nothing.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub fn closed(&self) -> WaitForClosed {
        WaitForClosed {
            wait: Wait::new(self, WaitFor::Closed),
        }
    }

    /// Resolves once the connection has settled: it is closed, and everything that was
    /// acquired for it is undone. Resolves at once if it has settled already.
    ///
    /// Equivalent to `async fn settled(&self) -> Settled`, but the future borrows
    /// nothing.
    ///
    /// An undo that waits for its own connection to settle never ends.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub fn settled(&self) -> WaitForSettled {
        WaitForSettled {
            wait: Wait::new(self, WaitFor::Settled),
        }
    }

    /// What the connection left behind, or `None` if it has not settled.
    #[must_use]
    pub fn try_settled(&self) -> Option<Settled> {
        self.lifecycle.try_settled()
    }

    /// How the undos went that have run so far; `None` while the connection is open.
    ///
    /// For an undo that depends on the newer ones: they are over when it begins. A lock that
    /// other servers see, for example, is kept if what it guards was not undone.
    #[must_use]
    pub fn so_far(&self) -> Option<Settled> {
        self.lifecycle.so_far()
    }

    /// What the connection waits for if it has closed and has not settled; for logs. `None`
    /// while it is open, once it has settled, and while a synchronous undo runs.
    #[must_use]
    pub fn waits_for(&self) -> Option<WaitsFor> {
        self.lifecycle.waits_for()
    }

    /// Records that the peer is there, which restarts the
    /// [idle deadline](crate::Deadlines::idle). Costs a load, and a store if a sweep has
    /// run since the last touch.
    pub fn touch(&self) {
        self.lifecycle.touch();
    }

    /// Closes the connection as [`Expired`](CloseReason::Expired) at `instant`, instead of
    /// when [`Deadlines::expires_at`](crate::Deadlines::expires_at) or an earlier call said:
    /// for a token that was renewed, or revoked from a known time on.
    ///
    /// `false` if nothing will keep it, because the connection was opened without deadlines.
    /// It moves no other deadline: a [`max_age`](crate::Deadlines::max_age) stays as it is.
    /// An `instant` that has passed closes at the next sweep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use hangup::Scope;
    ///
    /// let (now, hour) = (Instant::now(), Duration::from_secs(3600));
    /// let scope = Scope::builder().swept_by_hand().build();
    /// let pending = scope.open_with(|deadlines| deadlines.expires_at(now + hour))?;
    /// // The client has renewed its token.
    /// assert!(pending.handle().expire_at(now + 2 * hour));
    /// assert_eq!(scope.sweep(now + hour), 0);
    /// assert_eq!(scope.sweep(now + 2 * hour), 1);
    /// # Ok::<(), hangup::OpenError>(())
    /// ```
    #[must_use = "it has no effect on a connection without deadlines"]
    pub fn expire_at(&self, instant: Instant) -> bool {
        self.lifecycle.expire_at(instant)
    }

    /// Abandons all asynchronous undos that have not ended, and a
    /// [goodbye](crate::Closing::farewell): for a server that must end now.
    ///
    /// The task of the running undo is woken and drops it where it stands, the undos that
    /// would follow never begin, and [`Settled::abandoned`] reports the names of all of
    /// them. The synchronous undos run as usual. This does not close the connection.
    pub fn abandon_undos(&self) {
        self.lifecycle.abandon_undos();
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

/// Future of [`Handle::closed`](crate::Handle::closed).
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

/// Future of [`Handle::settled`](crate::Handle::settled).
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct WaitForSettled {
    wait: Wait,
}

impl Future for WaitForSettled {
    type Output = Settled;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Settled> {
        self.wait.poll(cx, Lifecycle::try_settled)
    }
}

#[derive(Debug)]
struct Wait {
    lifecycle: Arc<Lifecycle>,
    event: WaitFor,
    key: Option<WaiterKey>,
}

impl Wait {
    fn new(handle: &Handle, event: WaitFor) -> Self {
        Self {
            lifecycle: Arc::clone(&handle.lifecycle),
            event,
            key: None,
        }
    }

    fn poll<T>(&mut self, cx: &Context<'_>, happened: impl Fn(&Lifecycle) -> Option<T>) -> Poll<T> {
        if let Some(value) = happened(&self.lifecycle) {
            return Poll::Ready(value);
        }
        self.lifecycle
            .wait(self.event, &mut self.key, cx.waker().clone());
        // Checked again: the event may have happened before the waker was stored.
        happened(&self.lifecycle).map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.lifecycle.stop_waiting(self.event, key);
        }
    }
}
