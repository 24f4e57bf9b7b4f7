//! How many items have passed through a connection.

use std::sync::Arc;

use super::Lifecycle;
use crate::sync::{AtomicU64, Ordering};

/// ORDERING: Relaxed, because only the number matters.
pub(crate) struct ItemCount(AtomicU64);

impl ItemCount {
    pub(crate) fn add(&self, items: u64) {
        self.0.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Lifecycle {
    /// The count of the connection, which begins if there is none.
    pub(crate) fn count_items(&self) -> Arc<ItemCount> {
        if let Some(count) = self.get() {
            return count;
        }
        self.insert(ItemCount(AtomicU64::new(0)));
        self.get().expect("it was stored just now")
    }

    pub(crate) fn items(&self) -> Option<u64> {
        self.get::<ItemCount>().map(|count| count.get())
    }
}
