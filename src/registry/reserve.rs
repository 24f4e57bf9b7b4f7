//! Taking a seat and giving it back.

use std::hash::Hash;
use std::sync::Arc;

use hashbrown::hash_table::Entry;

use super::group::Group;
use super::seat::Seat;
use super::{Conflict, Registry, Shared};
use crate::error::JoinError;
use crate::handle::Handle;
use crate::lifecycle::{Lifecycle, Membership, Place, Registrar};

/// Whom a newcomer closes once it is live: those who held the key when it joined,
/// and nobody who came later (I5).
struct Replaced<K, V> {
    registry: Arc<Shared<K, V>>,
    newcomer: Place,
    /// While one of them is there, so is this group.
    group: u64,
}

/// [`Replaced`], seen by those who do not know its key.
pub(crate) trait Supersede: Send + Sync {
    /// A lookup that is under way may have passed the newcomer while it was not live. It
    /// must still find the old ones live (I3): when this returns, it is over.
    fn replaced(&self) -> Vec<Handle>;
}

impl<K, V> Registry<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Takes a seat as the policy admits, and returns whom it replaces when it
    /// goes live.
    pub(crate) fn reserve(
        &self,
        lifecycle: &Arc<Lifecycle>,
        key: K,
        value: V,
    ) -> Result<Option<Box<dyn Supersede>>, JoinError> {
        let conflict = self.shared.conflict;
        let (newcomer, group) = self.sit(lifecycle, key, value, |held| match conflict {
            Conflict::Replace => Ok(held.id().filter(|_| held.len() > 0)),
            Conflict::Reject if has_open(held, 1) => Err(JoinError::KeyTaken),
            Conflict::Share { max_per_key } if has_open(held, max_per_key) => {
                Err(JoinError::KeyFull)
            }
            Conflict::Reject | Conflict::Share { .. } => Ok(None),
        })?;
        let Some(group) = group else {
            return Ok(None);
        };
        Ok(Some(Box::new(Replaced {
            registry: Arc::clone(&self.shared),
            newcomer,
            group,
        })))
    }

    /// Takes a seat whatever the policy is, and returns all that held the key and have not
    /// settled.
    pub(crate) fn seize(
        &self,
        lifecycle: &Arc<Lifecycle>,
        key: K,
        value: V,
    ) -> Result<Vec<Handle>, JoinError> {
        let (_, held) = self.sit(lifecycle, key, value, |held| Ok(held.handles()))?;
        Ok(held)
    }

    /// The one place where a seat is taken. Decided and inserted under one lock
    /// (I6), so of two newcomers one is the later.
    fn sit<T>(
        &self,
        lifecycle: &Arc<Lifecycle>,
        key: K,
        value: V,
        admit: impl FnOnce(&Group<K, V>) -> Result<T, JoinError>,
    ) -> Result<(Place, T), JoinError> {
        // Whatever returns early drops the user's key and value when the lock is
        // released (I8): they are older than the guard.
        if let Some(closed) = lifecycle.closed() {
            return Err(JoinError::Closed(closed));
        }
        let hash = self.hash(&key);
        // Asked before the lock is taken. Only the owner joins, so it stays so.
        let may_hold_it = lifecycle.has_hash(hash);

        let mut table = self.shared.table(hash);
        let order = table.next_order();
        let entry = table.entry(hash, &key);
        let empty = Group::new(hash);
        let held = match &entry {
            Entry::Occupied(held) => held.get(),
            Entry::Vacant(_) => &empty,
        };
        let is_ours = |seat: &Arc<Seat<K, V>>| std::ptr::eq(seat.handle.lifecycle(), &**lifecycle);
        if may_hold_it && held.seats().any(is_ours) {
            return Err(JoinError::AlreadyJoined);
        }
        let admitted = admit(held)?;
        let seat = Arc::new(Seat {
            order,
            group: held.id().unwrap_or(order),
            key,
            value,
            handle: Handle::new(Arc::clone(lifecycle)),
        });
        let group = entry.or_insert(empty).into_mut();
        let called_for = self
            .shared
            .hooks
            .as_ref()
            .map(|hooks| (hooks, Arc::clone(&seat)));
        group.push(seat);
        let called_for = called_for.filter(|(_, seat)| group.begin_calls(seat));
        drop(table);

        // After the seat is in the table, so that whoever unwinds finds what it
        // has to remove.
        let place = Place { hash, order };
        let registry = Arc::clone(&self.shared) as _;
        lifecycle.add_membership(Membership { registry, place });
        if let Some((hooks, seat)) = called_for {
            self.shared.call_hooks(hooks, hash, &seat);
        }
        match lifecycle.closed() {
            // Since we looked: it was under the key, if only for an instant.
            Some(closed) => Err(JoinError::Closed(closed)),
            None => Ok((place, admitted)),
        }
    }
}

impl<K, V> Registrar for Shared<K, V>
where
    K: Hash + Eq + Send + Sync,
    V: Send + Sync,
{
    fn vacate(&self, place: Place, lifecycle: &Lifecycle) {
        let Place { hash, order } = place;
        if let Some(last_closes) = &self.last_closes {
            // First, so that whoever no longer finds the seat finds this.
            if let (Some(closed), Some(seat)) = (lifecycle.closed(), self.seat(place)) {
                lifecycle.contain(|| last_closes.record(hash, &seat.key, closed));
            }
        }
        let mut table = self.table(hash);
        let Some(mut entry) = table.find(hash, |group| group.seat(order).is_some()) else {
            return;
        };
        let group = entry.get_mut();
        let removed = group.remove(order);
        let seat = removed.as_ref();
        let hooks = self.hooks.as_ref().zip(seat);
        let called_for = hooks.filter(|(_, seat)| group.begin_calls(seat));
        if group.is_vacant() {
            entry.remove();
            table.shrink();
        }
        drop(table);
        if let Some((hooks, seat)) = called_for {
            self.call_hooks(hooks, hash, seat);
        }
    }
}

impl<K, V> Shared<K, V> {
    fn seat(&self, place: Place) -> Option<Arc<Seat<K, V>>> {
        let mut table = self.table(place.hash);
        let group = table.find(place.hash, |group| group.seat(place.order).is_some())?;
        group.get().seat(place.order).cloned()
    }
}

/// Whether as many are open. The newest are looked at first, and no more than needed; at
/// none if there are not as many seats.
fn has_open<K, V>(held: &Group<K, V>, many: usize) -> bool {
    let open = held.seats().rev().filter(|seat| seat.is_open());
    held.len() >= many && open.take(many).count() == many
}

impl<K, V> Supersede for Replaced<K, V>
where
    K: Send + Sync,
    V: Send + Sync,
{
    fn replaced(&self) -> Vec<Handle> {
        let Place { hash, order } = self.newcomer;
        let mut table = self.registry.table(hash);
        let group = table.find(hash, |group| group.id() == Some(self.group));
        group.map_or_else(Vec::new, |group| group.get().handles_before(order))
    }
}
