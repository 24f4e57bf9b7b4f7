//! Waiting until a drained scope is empty.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Scope;
use crate::lifecycle::Lifecycle;
use crate::lifecycle::group::Group;
use crate::sync::lock;
use crate::sync::waiters::WaiterKey;

/// Future of [`Scope::drained`].
#[must_use = "futures do nothing unless polled"]
pub struct Drained {
    waiter: Waiter,
}

/// One that waits for what a drain does.
pub(super) struct Waiter {
    pub(super) shared: Arc<Group<Lifecycle>>,
    /// One for this scope, and for each above it: their drains are drains of this one.
    keys: Vec<Option<WaiterKey>>,
}

impl Waiter {
    pub(super) fn new(scope: &Scope) -> Self {
        Self {
            shared: Arc::clone(&scope.shared),
            keys: Vec::new(),
        }
    }

    /// Has the task woken. What it waits for is to be looked at again after this.
    pub(super) fn wait(&mut self, cx: &Context<'_>) {
        self.keys.resize(self.shared.depth + 1, None);
        for (group, key) in self.shared.and_above().zip(&mut self.keys) {
            let waker = cx.waker().clone();
            let replaced = lock(&group.drained).insert(key, waker);
            drop(replaced);
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        for (group, key) in self.shared.and_above().zip(&self.keys) {
            let removed = key.and_then(|key| lock(&group.drained).remove(key));
            drop(removed);
        }
    }
}

impl Scope {
    /// Resolves once a drain [has begun](Self::begin_drain) and the last connection has
    /// settled; at once if that is so already. It stays so.
    ///
    /// A drain of a scope [above](Self::child) is one of this scope too. It waits without a
    /// limit: a connection whose owner is in a set-up step that is not polled settles when
    /// that owner is dropped.
    ///
    /// It never resolves without a drain, since another connection may be admitted at any
    /// time, nor if an undo waits for it.
    ///
    /// Equivalent to `async fn drained(&self)`, but the future borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// It only observes, and leaves nothing behind when it is dropped.
    pub fn drained(&self) -> Drained {
        Drained {
            waiter: Waiter::new(self),
        }
    }
}

impl Future for Drained {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waiter = &mut self.get_mut().waiter;
        if waiter.shared.is_drained() {
            return Poll::Ready(());
        }
        waiter.wait(cx);
        // Checked again: the last connection may have settled before the waker was stored.
        if waiter.shared.is_drained() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl fmt::Debug for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drained").finish_non_exhaustive()
    }
}
