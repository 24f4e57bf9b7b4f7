//! The keys of one shard.

use std::borrow::Borrow;

use hashbrown::HashTable;
use hashbrown::hash_table::{Entry, OccupiedEntry};

use super::bucket::Bucket;
use crate::shrink;

/// The caller hashes a key before it takes the lock, and the bucket keeps the hash: to grow,
/// to shrink and to remove a slot neither hashes nor compares a key again.
pub(super) struct Table<K, V> {
    buckets: HashTable<Bucket<K, V>>,
    next_order: u64,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            buckets: HashTable::new(),
            next_order: 0,
        }
    }
}

impl<K, V> Table<K, V> {
    pub(super) fn get<Q>(&self, hash: u64, key: &Q) -> Option<&Bucket<K, V>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.buckets.find(hash, |bucket| bucket.is_under(key))
    }

    pub(super) fn entry(&mut self, hash: u64, key: &K) -> Entry<'_, Bucket<K, V>>
    where
        K: Eq,
    {
        self.buckets
            .entry(hash, |bucket| bucket.is_under(key), |bucket| bucket.hash)
    }

    /// A bucket that is identified without its key.
    pub(super) fn find(
        &mut self,
        hash: u64,
        is_match: impl FnMut(&Bucket<K, V>) -> bool,
    ) -> Option<OccupiedEntry<'_, Bucket<K, V>>> {
        self.buckets.find_entry(hash, is_match).ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Bucket<K, V>> {
        self.buckets.iter()
    }

    pub(super) fn next_order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }

    /// Gives memory back after a burst.
    pub(super) fn shrink(&mut self) {
        if let Some(target) = shrink::target(self.buckets.len(), self.buckets.capacity()) {
            self.buckets.shrink_to(target, |bucket| bucket.hash);
        }
    }
}
