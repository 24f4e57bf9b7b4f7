//! Waiting until a drained scope is empty.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::group::Group;
use crate::lifecycle::Lifecycle;
use crate::sync::lock;
use crate::waiters::WaiterKey;

/// Future of [`Scope::settled`](super::Scope::settled).
#[must_use = "futures do nothing unless polled"]
pub struct WaitForDrained {
    shared: Arc<Group<Lifecycle>>,
    key: Option<WaiterKey>,
}

impl WaitForDrained {
    pub(super) fn new(shared: Arc<Group<Lifecycle>>) -> Self {
        Self { shared, key: None }
    }
}

impl Future for WaitForDrained {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.shared.is_drained() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let replaced = lock(&this.shared.drained).insert(&mut this.key, waker);
        drop(replaced);
        // Again, since the last may have settled before the waker was there.
        if this.shared.is_drained() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for WaitForDrained {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let removed = lock(&self.shared.drained).remove(key);
            drop(removed);
        }
    }
}

impl fmt::Debug for WaitForDrained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForDrained").finish_non_exhaustive()
    }
}
