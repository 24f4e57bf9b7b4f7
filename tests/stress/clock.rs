//! What came first, across threads.

use std::sync::atomic::{AtomicU64, Ordering};

/// Whoever is told a number has seen all that happened before a lower one was told.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicU64);

/// When something happened first; 0 until it has.
#[derive(Debug, Default)]
pub(crate) struct Moment(AtomicU64);

impl Clock {
    pub(crate) fn now(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

impl Moment {
    pub(crate) fn is_now(&self, clock: &Clock) {
        let now = clock.now();
        // Who was here before keeps it.
        let _: Result<_, u64> = self
            .0
            .compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Whether it has been noted, and before `then`.
    pub(crate) fn is_before(&self, then: u64) -> bool {
        let at = self.0.load(Ordering::SeqCst);
        at != 0 && at < then
    }
}
