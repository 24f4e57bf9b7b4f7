//! The tables of a registry, and how they are looked through: in portions, so that no lock is
//! held for more than a portion of places (I10).

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use super::bucket;
use super::conflict::Conflict;
use super::hooks::Hooks;
use super::last_close::LastCloses;
use super::min_hold::MinHold;
use super::named::Named;
use super::portion::{Portion, Unfinished};
use super::slot;
use super::table::{self, Cursor, Walk};
use crate::state::Closed;
use crate::sync::MutexGuard;
use crate::sync::shards::Shards;

/// What a registry keeps under its locks.
pub(super) type Table<K, V> = table::Table<K, V, Shared<K, V>>;
pub(super) type Bucket<K, V> = bucket::Bucket<K, V, Shared<K, V>>;
pub(super) type Slot<K, V> = slot::Slot<K, V, Shared<K, V>>;

pub(super) struct Shared<K, V> {
    pub(super) conflict: Conflict,
    pub(super) tables: Shards<Table<K, V>>,
    pub(super) hooks: Option<Hooks<K>>,
    pub(super) last_closes: Option<LastCloses<K>>,
    pub(super) min_hold: Option<MinHold>,
    /// `None` unless it tells its keys.
    pub(super) named: Option<Named<K>>,
}

impl<K, V> Shared<K, V> {
    pub(super) fn new(conflict: Conflict) -> Self {
        Self {
            conflict,
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
        self.tables.lock(self.table_number(hash))
    }

    #[inline]
    pub(super) fn table_number(&self, hash: u64) -> usize {
        // Neither the low bits nor the highest: the table itself uses these.
        self.tables.index_of((hash >> 32) as usize)
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
    {
        match self.conflict {
            _ if slot.is_live() => Some(slot),
            Conflict::Replace => self.newest_live(slot.hash, &slot.key),
            Conflict::Reject | Conflict::Share { .. } => None,
        }
    }

    /// Walks through one shard, in portions, and returns what `look` has put into the list.
    /// The caller uses it after the lock is released (I8).
    pub(super) fn walk<T>(
        &self,
        shard: usize,
        look: impl FnMut(&mut Bucket<K, V>, u64, &mut Portion, &mut Vec<T>) -> Option<u64>,
    ) -> Vec<T> {
        self.walk_into(Vec::new(), shard, look)
    }

    fn walk_into<T>(
        &self,
        mut found: Vec<T>,
        shard: usize,
        mut look: impl FnMut(&mut Bucket<K, V>, u64, &mut Portion, &mut Vec<T>) -> Option<u64>,
    ) -> Vec<T> {
        let mut cursor = Cursor::default();
        loop {
            let walk = self
                .tables
                .lock(shard)
                .walk(&mut cursor, |bucket, after, portion| {
                    look(bucket, after, portion, &mut found)
                });
            match walk {
                Walk::Finished => return found,
                Walk::GoesOn => {
                    #[cfg(all(test, not(hangup_loom)))]
                    super::portion::between::run();
                }
                Walk::BeginsAgain => found.clear(),
            }
            // So that it seldom grows under the lock.
            found.reserve(Portion::PLACES);
        }
    }

    /// The newest live slot of each key of one shard.
    pub(super) fn newest_in(&self, shard: usize) -> Vec<Arc<Slot<K, V>>> {
        let table = self.tables.lock(shard);
        let (end, keys) = (table.end(), table.keys());
        drop(table);
        let slots = Vec::with_capacity(keys.min(Portion::PLACES));
        self.walk_into(slots, shard, |bucket, _, portion, slots| {
            // A key that has emptied and filled again between two portions may have been met.
            // All that hold it have joined since, so they may be left out.
            if bucket.generation().is_some_and(|it| it >= end) {
                return None;
            }
            newest(bucket, portion, |slot| slots.push(Arc::clone(slot)))
        })
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

#[cfg(all(test, not(hangup_loom)))]
mod tests {
    use std::collections::BTreeMap;
    use std::hash::{BuildHasherDefault, Hasher};
    use std::sync::{Arc, Mutex};

    use super::newest;
    use crate::connection::Live;
    use crate::registry::portion::{Portion, between};
    use crate::registry::{Conflict, Registry};
    use crate::scope::Scope;

    /// All keys are in one shard, and each takes the first free place of its table.
    #[derive(Default)]
    struct Same;

    impl Hasher for Same {
        fn finish(&self) -> u64 {
            0
        }

        fn write(&mut self, _: &[u8]) {}
    }

    type Members = Registry<usize, (), BuildHasherDefault<Same>>;

    /// A walk takes several portions.
    const MANY: usize = 3 * Portion::PLACES;

    fn join(scope: &Scope, members: &Members, key: usize) -> Live {
        let mut setup = scope.open().unwrap().register().unwrap();
        setup.join(members, key, ()).unwrap();
        setup.go_live().unwrap()
    }

    /// The keys that `look` finds if between two portions a key that was met gets the place of
    /// one that was not.
    fn found(conflict: Conflict, look: impl FnOnce(&Members) -> Vec<usize>) -> Vec<usize> {
        let scope = Scope::new();
        let members = Members::with_hasher(conflict, BuildHasherDefault::default());
        let lives = (0..MANY).map(|key| (key, join(&scope, &members, key)));
        let lives = Arc::new(Mutex::new(lives.collect::<BTreeMap<_, _>>()));
        between::set({
            let (members, lives) = (members.clone(), Arc::clone(&lives));
            move || {
                let mut lives = lives.lock().unwrap();
                drop((lives.remove(&0), lives.remove(&(MANY - 1))));
                // The first takes the place of the key 0, which comes behind the cursor.
                for key in [MANY, 0] {
                    lives.insert(key, join(&scope, &members, key));
                }
            }
        });
        let mut found = look(&members);
        found.sort_unstable();
        assert_eq!(lives.lock().unwrap().len(), MANY);
        found
    }

    #[test]
    fn a_key_that_empties_and_fills_again_between_two_portions_is_met_twice_and_shown_once() {
        for conflict in [Conflict::Replace, Conflict::Reject, Conflict::share(2)] {
            // Else the rest shows nothing.
            let met = found(conflict, |members| {
                members.shared.walk(0, |bucket, _, portion, keys| {
                    newest(bucket, portion, |slot| keys.push(slot.key))
                })
            });
            assert_eq!(met[..3], [0, 0, 1]);

            let keys = found(conflict, |members| members.keys().collect());
            let iterated = found(conflict, |members| members.iter().map(|it| it.0).collect());
            for shown in [keys, iterated] {
                assert!(shown.is_sorted_by(|a, b| a < b), "twice: {shown:?}");
                let stayed = shown.iter().filter(|key| (1..MANY - 1).contains(*key));
                assert_eq!(stayed.count(), MANY - 2);
            }
        }
    }
}
