//! Inserting a slot, and removing it.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use hashbrown::hash_table::Entry;

use super::bucket::Bucket;
use super::slot::Slot;
use super::{Conflict, Registry, Shared};
use crate::error::KeyError;
use crate::lifecycle::{DynRegistry, Handle, Lifecycle, Membership, Place};
use crate::state::Closed;

/// The connections that a newcomer closes once it is live: those that held the key when it
/// joined, and none that joined later (I5).
struct Predecessors<K, V, S> {
    registry: Arc<Shared<K, V, S>>,
    newcomer: Place,
    /// The bucket has this generation as long as it has one of the predecessors.
    generation: u64,
}

/// [`Predecessors`] in a registry whose key type is not known.
pub(crate) trait DynPredecessors: Send + Sync {
    /// The predecessors that have not settled, to be closed by the caller.
    ///
    /// A lookup that is running may have passed the newcomer while it was not live, and
    /// must still find the predecessor live (I3): when this returns, that lookup is over.
    fn handles(&self) -> Vec<Handle>;
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
        let conflict = self.shared.conflict;
        let (newcomer, generation) =
            self.insert(lifecycle, key, value, |bucket| match conflict {
                Conflict::Replace => Ok(bucket.generation().filter(|_| bucket.len() > 0)),
                Conflict::Reject if has_open(bucket, 1) => Err(KeyError::Taken),
                Conflict::Share { max_per_key } if has_open(bucket, max_per_key) => {
                    Err(KeyError::Full)
                }
                Conflict::Reject | Conflict::Share { .. } => Ok(None),
            })?;
        let Some(generation) = generation else {
            return Ok(None);
        };
        Ok(Some(Box::new(Predecessors {
            registry: Arc::clone(&self.shared),
            newcomer,
            generation,
        })))
    }

    /// Inserts a slot whatever the policy is, and returns all connections that held the key
    /// and have not settled.
    pub(crate) fn claim_all(
        &self,
        lifecycle: &Arc<Lifecycle>,
        key: K,
        value: V,
    ) -> Result<Vec<Handle>, KeyError> {
        let (_, held) = self.insert(lifecycle, key, value, |bucket| Ok(bucket.handles()))?;
        Ok(held)
    }

    /// The one place where a slot is inserted. The decision and the insertion are under one
    /// lock (I6), so of two newcomers one is the later.
    fn insert<T>(
        &self,
        lifecycle: &Arc<Lifecycle>,
        key: K,
        value: V,
        admit: impl FnOnce(&Bucket<K, V>) -> Result<T, KeyError>,
    ) -> Result<(Place, T), KeyError> {
        // On an early return the user's key and value are dropped after the lock is
        // released (I8), since arguments outlive the guard.
        if let Some(closed) = lifecycle.closed() {
            return Err(KeyError::Closed(closed));
        }
        let hash = self.hash(&key);
        // Read before the lock is taken; only the owner joins, so the answer does not
        // change.
        let may_hold_key = lifecycle.has_hash(hash);

        let mut table = self.shared.table(hash);
        let order = table.next_order();
        let entry = table.entry(hash, &key);
        let empty = Bucket::new(hash);
        let held = match &entry {
            Entry::Occupied(held) => held.get(),
            Entry::Vacant(_) => &empty,
        };
        let is_ours = |slot: &Arc<Slot<K, V>>| std::ptr::eq(slot.handle.lifecycle(), &**lifecycle);
        if may_hold_key && held.slots().any(is_ours) {
            return Err(KeyError::AlreadyJoined);
        }
        let admitted = admit(held)?;
        let slot = Arc::new(Slot {
            order,
            generation: held.generation().unwrap_or(order),
            key,
            value,
            handle: Handle::new(Arc::clone(lifecycle)),
        });
        let bucket = entry.or_insert(empty).into_mut();
        let called_for = self
            .shared
            .hooks
            .as_ref()
            .map(|hooks| (hooks, Arc::clone(&slot)));
        bucket.push(slot);
        let called_for = called_for.filter(|(_, slot)| bucket.begin_calls(slot));
        drop(table);

        // Recorded after the insertion, so that the unwinding finds the slot that it
        // removes.
        let place = Place { hash, order };
        let registry = Arc::clone(&self.shared) as _;
        lifecycle.add_membership(Membership { registry, place });
        if let Some((hooks, slot)) = called_for {
            self.shared.call_hooks(hooks, hash, &slot);
        }
        match lifecycle.closed() {
            // Closed since the first check: the slot was under the key for a moment. The owner
            // has the duty to unwind, so it is still the newest one.
            Some(closed) => {
                lifecycle.release_claim();
                Err(KeyError::Closed(closed))
            }
            None => Ok((place, admitted)),
        }
    }
}

impl<K, V, S> DynRegistry for Shared<K, V, S>
where
    K: Hash + Eq + Send + Sync,
    V: Send + Sync,
    S: Send + Sync,
{
    fn remove(&self, place: Place) {
        let Place { hash, order } = place;
        if let Some(last_closes) = &self.last_closes {
            // Recorded before the removal, so that a reader which does not find the slot
            // finds the record.
            if let Some((slot, closed)) = self.closed_slot(place) {
                let lifecycle = slot.handle.lifecycle();
                lifecycle.catch_panic(|| last_closes.record(hash, &slot.key, closed));
            }
        }
        let mut table = self.table(hash);
        let Some(mut entry) = table.find(hash, |bucket| bucket.slot(order).is_some()) else {
            return;
        };
        let bucket = entry.get_mut();
        let removed = bucket.remove(order);
        let slot = removed.as_ref();
        let hooks = self.hooks.as_ref().zip(slot);
        let called_for = hooks.filter(|(_, slot)| bucket.begin_calls(slot));
        if bucket.is_vacant() {
            entry.remove();
            table.shrink();
        }
        drop(table);
        if let Some((hooks, slot)) = called_for {
            self.call_hooks(hooks, hash, slot);
        }
    }
}

impl<K, V, S> Shared<K, V, S> {
    /// The slot at `place`, if its connection has closed.
    fn closed_slot(&self, place: Place) -> Option<(Arc<Slot<K, V>>, Closed)> {
        let mut table = self.table(place.hash);
        let bucket = table.find(place.hash, |bucket| bucket.slot(place.order).is_some())?;
        let slot = bucket.get().slot(place.order)?;
        slot.closed().map(|closed| (Arc::clone(slot), closed))
    }
}

/// Whether at least `many` slots are open. Looks at the newest first, and at no more than
/// needed; at none if there are fewer slots.
fn has_open<K, V>(bucket: &Bucket<K, V>, many: usize) -> bool {
    let open = bucket.slots().rev().filter(|slot| slot.is_open());
    bucket.len() >= many && open.take(many).count() == many
}

impl<K, V, S> DynPredecessors for Predecessors<K, V, S>
where
    K: Send + Sync,
    V: Send + Sync,
    S: Send + Sync,
{
    fn handles(&self) -> Vec<Handle> {
        let Place { hash, order } = self.newcomer;
        let mut table = self.registry.table(hash);
        let bucket = table.find(hash, |it| it.generation() == Some(self.generation));
        bucket.map_or_else(Vec::new, |bucket| bucket.get().handles_before(order))
    }
}
