//! The wakers that wait for one event of a connection.

use std::collections::BTreeMap;
use std::task::Waker;

use crate::panic::catch_panic;

/// A set of wakers, each removable by its key: a waiter that gives up leaves
/// nothing behind (I7). An empty set owns no allocation.
#[derive(Default)]
pub(crate) struct Waiters {
    wakers: BTreeMap<WaiterKey, Waker>,
    next: WaiterKey,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WaiterKey(u64);

impl Waiters {
    /// Stores `waker` under `key`, or under a new key. Returns the waker that
    /// it replaces, to be dropped when no lock is held (I8).
    pub(crate) fn insert(&mut self, key: &mut Option<WaiterKey>, waker: Waker) -> Option<Waker> {
        let key = *key.get_or_insert_with(|| {
            self.next.0 += 1;
            self.next
        });
        self.wakers.insert(key, waker)
    }

    pub(crate) fn remove(&mut self, key: WaiterKey) -> Option<Waker> {
        self.wakers.remove(&key)
    }

    pub(crate) fn take(&mut self) -> Wakers {
        Wakers(std::mem::take(&mut self.wakers))
    }
}

/// Wakers taken out, to be woken when no lock is held (I8).
#[must_use]
pub(crate) struct Wakers(BTreeMap<WaiterKey, Waker>);

impl Wakers {
    /// Wakes all of them in the order of their first insertion; a panic of one does not stop
    /// the others.
    pub(crate) fn wake(self) {
        for waker in self.0.into_values() {
            wake(waker);
        }
    }
}

/// Wakes. A panic of the waker has been reported by the panic hook, and must not stop the
/// code after it (I2).
pub(crate) fn wake(waker: Waker) {
    let _: Result<(), String> = catch_panic(|| waker.wake());
}
