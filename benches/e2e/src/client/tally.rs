//! Counts what all streams have read. The client has one thread, so no ordering matters.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

#[derive(Default)]
pub(super) struct Tally {
    count: AtomicU64,
    wanted: AtomicU64,
    reached: Notify,
}

impl Tally {
    pub(super) fn add(&self, count: u64) {
        let before = self.count.fetch_add(count, Ordering::Relaxed);
        let wanted = self.wanted.load(Ordering::Relaxed);
        if before < wanted && before + count >= wanted {
            self.reached.notify_one();
        }
    }

    /// Waits for so many in all. More are an error of the server.
    pub(super) async fn reach(&self, count: u64) {
        self.wanted.store(count, Ordering::Relaxed);
        while self.count.load(Ordering::Relaxed) < count {
            self.reached.notified().await;
        }
        assert_eq!(self.count.load(Ordering::Relaxed), count, "read too often");
    }
}
