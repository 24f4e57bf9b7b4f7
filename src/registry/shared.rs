//! The tables of a registry, and how they are looked through: in portions, so that no lock is
//! held for more than a portion of places (I10).

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::bucket::Bucket;
use super::conflict::Conflict;
use super::hooks::Hooks;
use super::last_close::LastCloses;
use super::min_hold::MinHold;
use super::named::Named;
use super::portion::{Portion, Unfinished};
use super::slot::Slot;
use super::table::{Cursor, Table, Walk};
use crate::state::Closed;
use crate::sync::MutexGuard;
use crate::sync::shards::Shards;

pub(super) struct Shared<K, V, S> {
    pub(super) conflict: Conflict,
    pub(super) hasher: S,
    pub(super) tables: Shards<Table<K, V>>,
    pub(super) hooks: Option<Hooks<K>>,
    pub(super) last_closes: Option<LastCloses<K>>,
    pub(super) min_hold: Option<MinHold>,
    /// `None` unless it tells its keys.
    pub(super) named: Option<Named<K>>,
}

impl<K, V, S> Shared<K, V, S> {
    pub(super) fn new(conflict: Conflict, hasher: S) -> Self {
        Self {
            conflict,
            hasher,
            tables: Shards::default(),
            hooks: None,
            last_closes: None,
            min_hold: None,
            named: None,
        }
    }

    /// The table that a key with this hash belongs to.
    #[inline]
    pub(super) fn table(&self, hash: u64) -> MutexGuard<'_, Table<K, V>> {
        // Neither the low bits nor the highest: the table itself uses these.
        self.tables.lock((hash >> 32) as usize)
    }

    /// Visits the live slots of a bucket that the policy shows and that are newer than
    /// `after`. Returns where to go on, if the portion is used up.
    pub(super) fn visible(
        &self,
        bucket: &mut Bucket<K, V>,
        after: u64,
        portion: &mut Portion,
        visit: impl FnMut(&Arc<Slot<K, V>>),
    ) -> Option<u64> {
        match self.conflict {
            // I3: between the `go_live` of a newcomer and the close of its predecessor both
            // are live. The switch is the `go_live`, so only the newest is shown.
            Conflict::Replace => newest(bucket, portion, visit),
            Conflict::Reject | Conflict::Share { .. } => {
                let visited = bucket.live_after(after, portion, visit);
                visited.err().map(|Unfinished(last)| last)
            }
        }
    }

    #[inline]
    pub(super) fn newest_live<Q>(&self, hash: u64, key: &Q) -> Option<Arc<Slot<K, V>>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        loop {
            let mut table = self.table(hash);
            if let Ok(newest) = table.get(hash, key)?.newest_live(&mut Portion::new()) {
                return newest.cloned();
            }
        }
    }

    /// How the newest connection under `key` closed, of those that have not settled.
    pub(super) fn newest_closed<Q>(&self, hash: u64, key: &Q) -> Option<Closed>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let mut after = 0;
        loop {
            let mut table = self.table(hash);
            let bucket = table.get(hash, key)?;
            // Of the older ones none is the newest.
            after = after.max(bucket.newest_closed().map_or(0, |slot| slot.order));
            match bucket.open_between(after, u64::MAX, &mut Portion::new(), |_| ()) {
                Ok(()) => return bucket.newest_closed()?.closed(),
                Err(Unfinished(last)) => after = last,
            }
        }
    }

    /// `slot` if it is live. Else, under `Replace`, the live slot that has replaced it: the
    /// key was live all the time (I3).
    pub(super) fn still_live(&self, slot: Arc<Slot<K, V>>) -> Option<Arc<Slot<K, V>>>
    where
        K: Hash + Eq,
        S: BuildHasher,
    {
        match self.conflict {
            _ if slot.is_live() => Some(slot),
            Conflict::Replace => self.newest_live(self.hasher.hash_one(&slot.key), &slot.key),
            Conflict::Reject | Conflict::Share { .. } => None,
        }
    }

    /// Walks through one shard, in portions, and returns what `look` has put into the list.
    /// The caller uses it after the lock is released (I8).
    pub(super) fn walk<T>(
        &self,
        shard: usize,
        mut look: impl FnMut(&mut Bucket<K, V>, u64, &mut Portion, &mut Vec<T>) -> Option<u64>,
    ) -> Vec<T> {
        let (mut found, mut cursor) = (Vec::new(), Cursor::default());
        loop {
            let walk = self
                .tables
                .lock(shard)
                .walk(&mut cursor, |bucket, after, portion| {
                    look(bucket, after, portion, &mut found)
                });
            match walk {
                Walk::Finished => return found,
                Walk::GoesOn => {}
                Walk::BeginsAgain => found.clear(),
            }
            // So that it seldom grows under the lock.
            found.reserve(Portion::PLACES);
        }
    }

    /// The newest live slot of each key of one shard.
    pub(super) fn newest_in(&self, shard: usize) -> Vec<Arc<Slot<K, V>>>
    where
        K: Hash + Eq,
        S: BuildHasher,
    {
        let slots = self.walk(shard, |bucket, _, portion, slots| {
            newest(bucket, portion, |slot| slots.push(Arc::clone(slot)))
        });
        // A key that emptied and filled again between two portions may be there twice.
        let hash = |slot: &Arc<Slot<K, V>>| self.hasher.hash_one(&slot.key);
        let mut by_key = HashTable::with_capacity(slots.len());
        for slot in slots {
            let is_same = |other: &Arc<Slot<K, V>>| other.key == slot.key;
            if let Entry::Vacant(vacant) = by_key.entry(hash(&slot), is_same, hash) {
                vacant.insert(slot);
            }
        }
        by_key.into_iter().collect()
    }
}

/// Visits the newest live slot of a bucket.
pub(super) fn newest<K, V>(
    bucket: &mut Bucket<K, V>,
    portion: &mut Portion,
    visit: impl FnMut(&Arc<Slot<K, V>>),
) -> Option<u64> {
    match bucket.newest_live(portion) {
        Ok(newest) => {
            newest.into_iter().for_each(visit);
            None
        }
        Err(Unfinished(())) => Some(0),
    }
}
