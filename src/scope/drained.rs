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
    shared: Arc<Group<Lifecycle>>,
    /// One for this scope, and for each above it: their drains are drains of this one.
    keys: Vec<Option<WaiterKey>>,
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
            shared: Arc::clone(&self.shared),
            keys: Vec::new(),
        }
    }
}

impl Future for Drained {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.shared.is_drained() {
            return Poll::Ready(());
        }
        this.keys.resize(this.shared.depth + 1, None);
        for (group, key) in this.shared.and_above().zip(&mut this.keys) {
            let waker = cx.waker().clone();
            let replaced = lock(&group.drained).insert(key, waker);
            drop(replaced);
        }
        // Checked again: the last connection may have settled before the waker was stored.
        if this.shared.is_drained() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        for (group, key) in self.shared.and_above().zip(&self.keys) {
            let removed = key.and_then(|key| lock(&group.drained).remove(key));
            drop(removed);
        }
    }
}

impl fmt::Debug for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drained").finish_non_exhaustive()
    }
}
