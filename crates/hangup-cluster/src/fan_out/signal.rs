//! Wakes those who wait for a change.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::contain::contain;

/// The wakers of those who wait. A waiter registers first and looks at what it waits for then;
/// the one who changes it wakes afterwards. So no wake is lost.
///
/// Wakers are cloned, woken and dropped with no lock held.
#[derive(Default)]
pub(super) struct Signal {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

/// The place of one waiter. It is given back by [`Signal::leave`].
#[derive(Debug, Default)]
pub(super) struct Listener(Option<u64>);

impl Signal {
    pub(super) fn listen(&self, listener: &mut Listener, waker: &Waker) {
        let waker = waker.clone();
        let replaced = {
            let mut waiting = self.waiting();
            let id = *listener.0.get_or_insert_with(|| {
                waiting.next += 1;
                waiting.next
            });
            waiting.wakers.insert(id, waker)
        };
        drop(replaced);
    }

    pub(super) fn leave(&self, listener: &mut Listener) {
        if let Some(id) = listener.0.take() {
            let left = self.waiting().wakers.remove(&id);
            drop(left);
        }
    }

    /// Wakes all. A panic of one does not stop the others.
    pub(super) fn wake(&self) {
        let woken = mem::take(&mut self.waiting().wakers);
        for waker in woken.into_values() {
            contain(|| waker.wake());
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
