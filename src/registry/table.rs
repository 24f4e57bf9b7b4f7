//! The keys of one shard.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashTable;
use hashbrown::hash_table::{Entry, OccupiedEntry};

use super::bucket::Bucket;
use super::portion::Portion;
use super::slot::Slot;
use crate::lifecycle::Place;
use crate::shrink;

/// The capacity from which on [`count_sole`](Table::count_sole) looks.
const LARGE: usize = 1024;

/// The caller hashes a key before it takes the lock, and its slots keep the hash: to grow,
/// to shrink and to remove a slot neither hashes nor compares a key again.
pub(super) struct Table<K, V, R> {
    buckets: HashTable<Bucket<K, V, R>>,
    next_order: u64,
    /// When each slot was inserted, by its order, if there is a
    /// [`MinHold`](super::min_hold::MinHold).
    inserted: BTreeMap<u64, Duration>,
    /// How often the buckets have moved.
    moves: u64,
}

/// Where a walk through all keys of a shard goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursor {
    index: usize,
    /// Within the bucket at `index`: the order of the last slot that was looked at.
    pub(super) after: u64,
    moves: u64,
}

/// How a portion of a walk through all keys ended.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    /// All of the shard has been looked at.
    Finished,
    /// The cursor is where the next portion begins.
    GoesOn,
    /// The buckets have moved since the last portion: the walk begins again.
    BeginsAgain,
}

impl<K, V, R> Default for Table<K, V, R> {
    fn default() -> Self {
        Self {
            buckets: HashTable::new(),
            next_order: 0,
            inserted: BTreeMap::new(),
            moves: 0,
        }
    }
}

impl<K, V, R> Table<K, V, R> {
    pub(super) fn get<Q>(&mut self, hash: u64, key: &Q) -> Option<&mut Bucket<K, V, R>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.buckets.find_mut(hash, |bucket| bucket.is_under(key))
    }

    pub(super) fn entry(&mut self, hash: u64, key: &K) -> Entry<'_, Bucket<K, V, R>>
    where
        K: Eq,
    {
        self.shrink();
        // Without room for one more, `entry` moves the buckets.
        self.moves += u64::from(self.buckets.len() == self.buckets.capacity());
        self.buckets
            .entry(hash, |bucket| bucket.is_under(key), Bucket::hash)
    }

    /// A bucket that is identified without its key.
    pub(super) fn find(
        &mut self,
        hash: u64,
        is_match: impl FnMut(&Bucket<K, V, R>) -> bool,
    ) -> Option<OccupiedEntry<'_, Bucket<K, V, R>>> {
        self.buckets.find_entry(hash, is_match).ok()
    }

    /// Looks at a portion of the buckets. `look` returns the order of the slot at which it
    /// has used the portion up.
    ///
    /// As long as the buckets do not move, each has its index, so none is passed over, and
    /// none is met twice. A key that empties may fill again at another index.
    pub(super) fn walk(
        &mut self,
        cursor: &mut Cursor,
        mut look: impl FnMut(&mut Bucket<K, V, R>, u64, &mut Portion) -> Option<u64>,
    ) -> Walk {
        let is_first = (cursor.index, cursor.after) == (0, 0);
        if cursor.moves != self.moves {
            *cursor = Cursor {
                moves: self.moves,
                ..Cursor::default()
            };
            if !is_first {
                return Walk::BeginsAgain;
            }
        }
        let mut portion = Portion::new();
        while cursor.index < self.buckets.num_buckets() {
            if !portion.take() {
                return Walk::GoesOn;
            }
            if let Some(bucket) = self.buckets.get_bucket_mut(cursor.index) {
                if let Some(after) = look(bucket, cursor.after, &mut portion) {
                    cursor.after = after;
                    return Walk::GoesOn;
                }
            }
            cursor.index += 1;
            cursor.after = 0;
        }
        Walk::Finished
    }

    pub(super) fn next_order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }

    /// Records when the slot with this order was inserted, until it [is
    /// removed](Self::removed).
    pub(super) fn inserted_at(&mut self, order: u64, time: Duration) {
        self.inserted.insert(order, time);
    }

    /// When it was inserted, if that is recorded.
    pub(super) fn inserted(&self, order: u64) -> Option<Duration> {
        self.inserted.get(&order).copied()
    }

    /// The slot with this order has been removed.
    #[inline]
    pub(super) fn removed(&mut self, order: u64) {
        if !self.inserted.is_empty() {
            self.inserted.remove(&order);
        }
    }

    #[cfg(all(test, not(hangup_loom)))]
    pub(super) fn times(&self) -> usize {
        self.inserted.len()
    }

    /// Higher than the order of every slot so far.
    pub(super) fn end(&self) -> u64 {
        self.next_order + 1
    }

    /// How many keys there are.
    pub(super) fn keys(&self) -> usize {
        self.buckets.len()
    }

    /// Removes the bucket of the slot with this order, if it has nothing else.
    #[inline]
    pub(super) fn remove_sole(&mut self, hash: u64, order: u64) -> Option<Arc<Slot<K, V, R>>> {
        let sole = self.find(hash, |bucket| bucket.is_only(order))?;
        let (bucket, _) = sole.remove();
        self.removed(order);
        self.shrink_if_empty();
        bucket.into_sole()
    }

    /// How many of these slots are the only ones of their buckets: a look at all that is about
    /// to be removed, if the table is beyond the nearest caches. There, looks wait for the memory
    /// side by side, and removals one after the other.
    pub(super) fn count_sole(&self, places: impl Iterator<Item = Place>) -> usize {
        if self.buckets.capacity() < LARGE {
            return 0;
        }
        let is_sole = |place: &Place| {
            let found = self.buckets.find(place.hash, |it| it.is_only(place.order));
            found.is_some()
        };
        places.filter(is_sole).count()
    }

    /// Gives memory back after a burst. What is left is not moved: a table that empties is
    /// about to be empty, and one that does not [shrinks](Self::shrink) at the next entry.
    #[inline]
    pub(super) fn shrink_if_empty(&mut self) {
        if self.buckets.is_empty() {
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        if let Some(target) = shrink::target(self.buckets.len(), self.buckets.capacity()) {
            self.shrink_to(target);
        }
    }

    #[cold]
    fn shrink_to(&mut self, target: usize) {
        self.buckets.shrink_to(target, Bucket::hash);
        self.moves += 1;
    }
}
