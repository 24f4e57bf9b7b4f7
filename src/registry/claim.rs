//! Inserting a slot.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::hash_table::Entry;

use super::crowd::Departed;
use super::portion::{Portion, Unfinished};
use super::shared::{Bucket, Shared, Slot, Table};
use super::{Conflict, Registry};
use crate::error::KeyError;
use crate::lifecycle::{Handle, Lifecycle, Place};
use crate::sync::MutexGuard;

/// The connections that a newcomer closes once it is live: those that held the key when it
/// joined, and none that joined later (I5).
struct Predecessors<K, V> {
    registry: Arc<Shared<K, V>>,
    newcomer: Place,
    /// The bucket has this generation as long as it has one of the predecessors.
    generation: u64,
}

/// [`Predecessors`] in a registry whose key type is not known.
pub(crate) trait DynPredecessors: Send + Sync {
    /// The predecessors that are open, to be closed by the caller.
    ///
    /// A lookup that is running may have passed the newcomer while it was not live, and
    /// must still find the predecessor live (I3): when this returns, that lookup is over.
    fn handles(&self) -> Vec<Handle>;
}

/// Who asks for a place under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    Join,
    TakeOver,
}

impl<K, V, S> Registry<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher + Send + Sync + 'static,
{
    /// Inserts a slot if the policy admits it, and returns the predecessors that it
    /// replaces when it goes live.
    pub(crate) fn claim(
        &self,
        lifecycle: &Arc<Lifecycle>,
        key: K,
        value: V,
    ) -> Result<Option<Box<dyn DynPredecessors>>, KeyError> {
        let (newcomer, generation) = self.insert(lifecycle, key, value, Claim::Join)?;
        let replaces = self.shared.conflict == Conflict::Replace;
        let Some(generation) = generation.filter(|_| replaces) else {
            return Ok(None);
        };
        Ok(Some(Box::new(Predecessors {
            registry: Arc::clone(&self.shared),
            newcomer,
            generation,
        })))
    }

    /// Inserts a slot whatever the policy is, and returns its place with the connections that
    /// held the key and are open.
    pub(crate) fn claim_alone(
        &self,
        lifecycle: &Arc<Lifecycle>,
        key: K,
        value: V,
    ) -> Result<(Place, Vec<Handle>), KeyError> {
        let (place, generation) = self.insert(lifecycle, key, value, Claim::TakeOver)?;
        let held = generation.map(|it| self.shared.open_before(place, it));
        Ok((place, held.unwrap_or_default()))
    }

    /// For a take-over: the newest of the connections that held the key before and have not
    /// settled, or how all of them have departed.
    ///
    /// It waits for one of them at a time, so that many that wait for the same predecessors
    /// are not in each other's way (I10). Of those that it did not wait for the bucket keeps
    /// how they departed.
    pub(crate) fn predecessor(&self, newcomer: Place) -> Result<Departed, Handle> {
        let Place { hash, order } = newcomer;
        let mut table = self.shared.table(hash);
        // `None` if the newcomer has been unwound, so it has closed.
        let Some(mut bucket) = table.find(hash, |bucket| bucket.slot(order).is_some()) else {
            return Ok(Departed::default());
        };
        match bucket.get().before(order) {
            Some(slot) => Err(slot.handle.clone()),
            None => Ok(bucket.get_mut().end_claim(order)),
        }
    }

    /// Refuses a newcomer as long as the newest open holder is safe from it, unless that is the
    /// newcomer itself.
    #[inline(never)]
    fn wait_out_hold<'a>(
        &'a self,
        mut table: MutexGuard<'a, Table<K, V>>,
        hash: u64,
        key: &K,
        left: impl Fn(Duration) -> Option<Duration>,
        is_ours: impl Fn(&Bucket<K, V>) -> bool,
    ) -> Result<MutexGuard<'a, Table<K, V>>, KeyError> {
        loop {
            let Some(bucket) = table.get(hash, key) else {
                return Ok(table);
            };
            let newest = bucket.newest_open(&mut Portion::new());
            let newest = match newest {
                Ok(Some(newest)) => newest.order,
                Ok(None) => return Ok(table),
                Err(Unfinished(())) => {
                    drop(table);
                    table = self.shared.table(hash);
                    continue;
                }
            };
            let is_ours = is_ours(bucket);
            return match table.inserted(newest).and_then(&left) {
                Some(retry_after) if !is_ours => Err(KeyError::Held { retry_after }),
                _ => Ok(table),
            };
        }
    }

    /// The one place where a slot is inserted. The decision and the insertion are under one
    /// lock (I6), so of two newcomers one is the later.
    ///
    /// Returns the place of the slot, and the generation of the key if others hold it.
    fn insert(
        &self,
        lifecycle: &Arc<Lifecycle>,
        key: K,
        value: V,
        claim: Claim,
    ) -> Result<(Place, Option<u64>), KeyError> {
        // On an early return the user's key and value are dropped after the lock is
        // released (I8), since arguments outlive the guard.
        if let Some(closed) = lifecycle.closed() {
            return Err(KeyError::Closed(closed));
        }
        let hash = self.hash(&key);
        // Read before the lock is taken; only the owner joins, so the answer does not
        // change.
        let maybe_ours = lifecycle.orders_under(Arc::as_ptr(&self.shared).cast(), hash);
        let conflict = self.shared.conflict;
        let replaces = claim == Claim::TakeOver || conflict == Conflict::Replace;
        let min_hold = match &self.shared.min_hold {
            None => None,
            Some(min_hold) => Some((min_hold, min_hold.now(lifecycle)?)),
        };

        let mut table = self.shared.table(hash);
        if let Some((min_hold, now)) = min_hold.filter(|_| replaces) {
            let left = |held: Duration| min_hold.left(held, now);
            table = self.wait_out_hold(table, hash, &key, left, |bucket| {
                bucket.has_one_of(lifecycle, &maybe_ours)
            })?;
        }
        let order = table.next_order();
        let new_slot = |generation, key, value| {
            Arc::new(Slot {
                registry: Arc::clone(&self.shared),
                hash,
                order,
                generation,
                key,
                value,
                handle: Handle::new(Arc::clone(lifecycle)),
            })
        };
        let hooks = self.shared.hooks.as_ref();
        let (slot, calls_hooks, generation) = match table.entry(hash, &key) {
            Entry::Vacant(vacant) => {
                let slot = new_slot(order, key, value);
                let mut bucket = vacant.insert(Bucket::new(Arc::clone(&slot)));
                let calls_hooks = hooks.is_some() && bucket.get_mut().begin_calls(&slot);
                (slot, calls_hooks, None)
            }
            Entry::Occupied(mut held) => {
                let bucket = held.get_mut();
                if bucket.has_one_of(lifecycle, &maybe_ours) {
                    return Err(KeyError::AlreadyJoined);
                }
                match conflict {
                    _ if replaces => {}
                    Conflict::Share { max_per_key } => {
                        admit(bucket, max_per_key.get(), KeyError::Full)?;
                    }
                    Conflict::Reject | Conflict::Replace => admit(bucket, 1, KeyError::Taken)?,
                }
                let generation = bucket.generation();
                let slot = new_slot(generation.unwrap_or(order), key, value);
                // A bucket without slots stays while its hooks run.
                let generation = generation.filter(|_| bucket.len() > 0);
                bucket.push(Arc::clone(&slot));
                if claim == Claim::TakeOver && generation.is_some() {
                    bucket.begin_claim(order);
                }
                let calls_hooks = hooks.is_some() && bucket.begin_calls(&slot);
                (slot, calls_hooks, generation)
            }
        };
        if let Some((_, now)) = min_hold {
            table.inserted_at(order, now);
        }
        drop(table);

        // Recorded after the insertion, so that the unwinding finds the slot that it
        // removes.
        let called_for = calls_hooks.then(|| Arc::clone(&slot));
        lifecycle.add_membership(slot);
        if let Some((hooks, slot)) = hooks.zip(called_for) {
            self.shared.call_hooks(hooks, hash, &slot);
        }
        match lifecycle.closed() {
            // Closed since the first check. The slot stays until the owner unwinds, for a
            // take-over may have found it.
            Some(closed) => Err(KeyError::Closed(closed)),
            None => Ok((Place { hash, order }, generation)),
        }
    }
}

/// Decides whether one more fits under a key, of which connections that are closed and have
/// not settled take a part as well: they hold what they have acquired (I6).
fn admit<K, V>(bucket: &mut Bucket<K, V>, max: usize, full: KeyError) -> Result<(), KeyError> {
    let Some(too_many) = bucket.len().checked_sub(max) else {
        return Ok(());
    };
    Err(if bucket.has_closed(too_many + 1) {
        KeyError::Settling
    } else {
        full
    })
}

impl<K, V> Shared<K, V> {
    /// The open connections that hold the key of `newcomer` and came before it. The bucket
    /// has this generation as long as it has one of them.
    fn open_before(&self, newcomer: Place, generation: u64) -> Vec<Handle> {
        let mut handles = Vec::new();
        let mut after = 0;
        loop {
            let mut table = self.table(newcomer.hash);
            let is_it = |bucket: &Bucket<K, V>| bucket.generation() == Some(generation);
            let Some(mut bucket) = table.find(newcomer.hash, is_it) else {
                return handles;
            };
            let bucket = bucket.get_mut();
            let visited = bucket.open_between(after, newcomer.order, &mut Portion::new(), |slot| {
                handles.push(slot.handle.clone());
            });
            match visited {
                Ok(()) => return handles,
                Err(Unfinished(last)) => after = last,
            }
        }
    }
}

impl<K, V> DynPredecessors for Predecessors<K, V>
where
    K: Send + Sync,
    V: Send + Sync,
{
    fn handles(&self) -> Vec<Handle> {
        self.registry.open_before(self.newcomer, self.generation)
    }
}
