//! The wakers that wait for a connection: of its owner, and of those who wait for an event.

use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use super::Lifecycle;
use super::cell::{Cold, Inner};
use crate::sync::lock;
use crate::sync::waiters::{WaiterKey, Waiters, Wakers, wake};

/// What a waiter waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WaitFor {
    Closed,
    Settled,
}

impl Lifecycle {
    /// Stores the waker of the owner, unless the connection has closed: then no close would
    /// take it out again (I7). The caller must re-check the word afterwards: either the
    /// close finds this waker, or that check sees the close.
    pub(crate) fn register_owner(&self, waker: Waker, step: Option<&'static Location<'static>>) {
        let mut inner = self.lock_to_store();
        inner.step = step;
        let unneeded = match self.closed() {
            None => inner.progress.sleep(waker),
            Some(_) => Some(waker),
        };
        drop(inner);
        drop(unneeded);
    }

    /// Stores a waker that waits for `event`. The caller must re-check the word afterwards,
    /// and call `stop_waiting` in the end.
    pub(crate) fn wait(&self, event: WaitFor, key: &mut Option<WaiterKey>, waker: Waker) {
        let mut inner = self.lock_to_store();
        let replaced = inner.cold().waiters(event).insert(key, waker);
        match event {
            WaitFor::Closed => {}
            WaitFor::Settled => self.word().set_settle_waiter(),
        }
        drop(inner);
        drop(replaced);
    }

    pub(crate) fn stop_waiting(&self, event: WaitFor, key: WaiterKey) {
        let removed = lock(&self.inner).cold().waiters(event).remove(key);
        drop(removed);
    }

    pub(super) fn wake_closed(&self) {
        if self.word().load().has_parts() {
            let to_wake = lock(&self.inner).take_to_wake();
            to_wake.wake(self);
        }
    }
}

/// The wakers that a close wakes.
#[must_use]
#[derive(Default)]
pub(super) struct ToWake {
    owner: Option<Waker>,
    others: Option<Wakers>,
    /// Dropped: after the close no source wakes it.
    reader: Option<Arc<Waker>>,
    #[cfg(feature = "tokio-util")]
    token: Option<tokio_util::sync::CancellationToken>,
}

impl ToWake {
    /// With no lock held (I8).
    pub(super) fn wake(self, lifecycle: &Lifecycle) {
        if let Some(reader) = self.reader {
            lifecycle.catch_panic(|| drop(reader));
        }
        #[cfg(feature = "tokio-util")]
        if let Some(token) = self.token {
            lifecycle.catch_panic(|| token.cancel());
        }
        if let Some(owner) = self.owner {
            wake(owner);
        }
        if let Some(others) = self.others {
            others.wake();
        }
    }
}

impl Inner {
    pub(super) fn take_to_wake(&mut self) -> ToWake {
        let mut to_wake = ToWake {
            owner: self.progress.take_waker(),
            ..ToWake::default()
        };
        if let Some(cold) = &mut self.cold {
            to_wake.others = Some(cold.closed.take());
            to_wake.reader = cold.reader.take();
            #[cfg(feature = "tokio-util")]
            {
                to_wake.token = cold.token.take();
            }
        }
        to_wake
    }
}

impl Cold {
    fn waiters(&mut self, event: WaitFor) -> &mut Waiters {
        match event {
            WaitFor::Closed => &mut self.closed,
            WaitFor::Settled => &mut self.settled,
        }
    }
}
