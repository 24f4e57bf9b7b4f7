//! The keys of one shard.

use std::borrow::Borrow;

use hashbrown::HashTable;
use hashbrown::hash_table::{Entry, OccupiedEntry};

use super::group::Group;
use crate::shrink;

/// A hash is made by whoever comes, before the lock is taken, and kept: neither
/// growing nor shrinking nor leaving hashes or compares a key again.
pub(super) struct Table<K, V> {
    groups: HashTable<Group<K, V>>,
    next_order: u64,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            groups: HashTable::new(),
            next_order: 0,
        }
    }
}

impl<K, V> Table<K, V> {
    pub(super) fn get<Q>(&self, hash: u64, key: &Q) -> Option<&Group<K, V>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.groups.find(hash, |group| group.is_under(key))
    }

    pub(super) fn entry(&mut self, hash: u64, key: &K) -> Entry<'_, Group<K, V>>
    where
        K: Eq,
    {
        self.groups
            .entry(hash, |group| group.is_under(key), |group| group.hash)
    }

    /// One that is known without its key.
    pub(super) fn find(
        &mut self,
        hash: u64,
        is_it: impl FnMut(&Group<K, V>) -> bool,
    ) -> Option<OccupiedEntry<'_, Group<K, V>>> {
        self.groups.find_entry(hash, is_it).ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Group<K, V>> {
        self.groups.iter()
    }

    pub(super) fn next_order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }

    /// Gives memory back after a burst.
    pub(super) fn shrink(&mut self) {
        if let Some(target) = shrink::target(self.groups.len(), self.groups.capacity()) {
            self.groups.shrink_to(target, |group| group.hash);
        }
    }
}
