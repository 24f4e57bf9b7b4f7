//! How many items the tasks have taken.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// An item takes far less, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

thread_local! {
    /// What the tasks on this thread have taken. A number that all threads write would cost more
    /// than what is measured, and hide it.
    static HERE: Cell<u64> = const { Cell::new(0) };
}

/// A task has taken an item.
#[inline]
pub(super) fn take(item: u64) {
    black_box(item);
    HERE.set(HERE.get() + 1);
}

/// What was taken on this thread since this was last called.
pub(super) fn take_count() -> u64 {
    HERE.take()
}

pub(super) fn count() -> u64 {
    HERE.get()
}

/// What was taken on all threads of a runtime: each adds its own when it goes to sleep.
pub(super) struct Total {
    count: AtomicU64,
    wanted: AtomicU64,
    waits: Thread,
}

impl Total {
    pub(super) fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            wanted: AtomicU64::new(u64::MAX),
            waits: thread::current(),
        }
    }

    /// Adds what was taken on this thread, whose runtime has nothing left for it to do.
    pub(super) fn add(&self) {
        let taken = take_count();
        if taken > 0 && self.count.fetch_add(taken, Relaxed) + taken >= self.wanted.load(Relaxed) {
            self.waits.unpark();
        }
    }

    /// Calls `begin`, and waits until so many more are taken.
    pub(super) fn wait_for(&self, more: u64, begin: impl FnOnce()) {
        let goal = self.count.load(Relaxed) + more;
        self.wanted.store(goal, Relaxed);
        begin();
        let begun = Instant::now();
        while self.count.load(Relaxed) < goal {
            thread::park_timeout(PATIENCE);
            assert!(begun.elapsed() < PATIENCE, "a subscriber is not woken");
        }
        assert_eq!(self.count.load(Relaxed), goal, "an item is taken twice");
    }
}
