//! How many live connections of this node there are under each key.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::seats::PORTION;
use crate::key::Key;

/// What this node knows of itself, by key.
#[derive(Default)]
pub(super) struct Present {
    by_key: Mutex<BTreeMap<Key, Count>>,
}

#[derive(Default)]
struct Count {
    live: u64,
    /// A task writes it: however often it changes in the meantime, one more write follows.
    is_being_written: bool,
}

impl Present {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Count>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn live(&self, key: &Key) -> u64 {
        self.lock().get(key).map_or(0, |count| count.live)
    }

    /// Changes the count under `key`. `true` if a task has to be spawned that writes it.
    pub(super) fn change(&self, key: &Key, change: impl FnOnce(u64) -> u64) -> bool {
        let mut by_key = self.lock();
        let count = by_key.entry(key.clone()).or_default();
        count.live = change(count.live);
        !std::mem::replace(&mut count.is_being_written, true)
    }

    /// Whether the task that writes `key`, and has written `live`, is done.
    pub(super) fn is_written(
        &self,
        key: &Key,
        live: u64,
        is_current: impl FnOnce() -> bool,
    ) -> bool {
        let mut by_key = self.lock();
        let Some(count) = by_key.get_mut(key) else {
            return true;
        };
        if count.live != live || !is_current() {
            return false;
        }
        count.is_being_written = false;
        if live == 0 {
            by_key.remove(key);
        }
        true
    }

    /// The next keys after this one.
    pub(super) fn portion(&self, after: Option<&Key>) -> Vec<Key> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let by_key = self.lock();
        let keys = by_key.range((from, Bound::Unbounded));
        keys.take(PORTION).map(|(key, _)| key.clone()).collect()
    }
}
