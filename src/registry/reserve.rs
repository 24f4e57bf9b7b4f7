//! Taking a seat and giving it back.

use std::hash::Hash;
use std::sync::Arc;

use hashbrown::hash_table::Entry;

use super::group::Group;
use super::seat::Seat;
use super::{Conflict, Registry, Shared};
use crate::error::JoinError;
use crate::handle::Handle;
use crate::lifecycle::Membership;

/// A seat that was taken, to be given back before the connection ends.
pub(crate) type Place = Arc<dyn Membership>;

/// Whom a newcomer closes once it is live: those who held the key when it joined,
/// and nobody who came later (I5).
struct Replaced<K, V> {
    registry: Arc<Shared<K, V>>,
    hash: u64,
    /// While one of them is there, so is this group.
    group: u64,
    order: u64,
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
        handle: Handle,
        key: K,
        value: V,
    ) -> Result<Option<Box<dyn Supersede>>, JoinError> {
        let conflict = self.shared.conflict;
        let hash = self.hash(&key);
        let (_, older) = self.sit(handle, hash, key, value, |held, order| match conflict {
            Conflict::Replace => Ok((!held.is_vacant()).then_some((held.id, order))),
            Conflict::Reject if has_open(held, 1) => Err(JoinError::KeyTaken),
            Conflict::Share { max_per_key } if has_open(held, max_per_key) => {
                Err(JoinError::KeyFull)
            }
            Conflict::Reject | Conflict::Share { .. } => Ok(None),
        })?;
        let Some((group, order)) = older else {
            return Ok(None);
        };
        Ok(Some(Box::new(Replaced {
            registry: Arc::clone(&self.shared),
            hash,
            group,
            order,
        })))
    }

    /// Takes a seat whatever the policy is, and returns it with all that held the key
    /// and have not settled.
    pub(crate) fn seize(
        &self,
        handle: Handle,
        key: K,
        value: V,
    ) -> Result<(Place, Vec<Handle>), JoinError> {
        let hash = self.hash(&key);
        self.sit(handle, hash, key, value, |held, _| Ok(held.handles()))
    }

    /// The one place where a seat is taken. Decided and inserted under one lock
    /// (I6), so of two newcomers one is the later.
    fn sit<T>(
        &self,
        handle: Handle,
        hash: u64,
        key: K,
        value: V,
        admit: impl FnOnce(&Group<K, V>, u64) -> Result<T, JoinError>,
    ) -> Result<(Place, T), JoinError> {
        if let Some(closed) = handle.lifecycle().closed() {
            return Err(JoinError::Closed(closed));
        }
        // Asked before the lock is taken. Only the owner joins, so it stays so.
        let may_hold_it = handle.lifecycle().has_hash(hash);
        // Declared before the lock, so that on an error the user's key and value are
        // dropped after its release (I8).
        let mut seat = Arc::new(Seat::new(&self.shared, hash, key, value, handle));

        let mut table = self.shared.table(hash);
        let order = table.next_order();
        Arc::get_mut(&mut seat).expect("not shared yet").order = order;
        let entry = table.entry(hash, &seat.key);
        let empty = Group::new(hash, order);
        let held = match &entry {
            Entry::Occupied(held) => held.get(),
            Entry::Vacant(_) => &empty,
        };
        if may_hold_it && held.seats().any(|other| other.handle == seat.handle) {
            return Err(JoinError::AlreadyJoined);
        }
        let admitted = admit(held, order)?;
        let group = entry.or_insert(empty).into_mut();
        group.push(Arc::clone(&seat));
        let hooks = self.shared.hooks.as_ref();
        let hooks = hooks.filter(|_| group.begin_calls(&seat));
        drop(table);

        // After the seat is in the table, so that whoever unwinds finds what it
        // has to remove.
        let place: Place = Arc::clone(&seat) as Place;
        let lifecycle = seat.handle.lifecycle();
        if let Err(late) = lifecycle.add_membership(Arc::clone(&place)) {
            late.leave();
        }
        if let Some(hooks) = hooks {
            self.shared.call_hooks(hooks, &seat);
        }
        match lifecycle.closed() {
            // Since we looked: it was under the key, if only for an instant.
            Some(closed) => Err(JoinError::Closed(closed)),
            None => Ok((place, admitted)),
        }
    }
}

impl<K, V> Shared<K, V>
where
    K: Hash + Eq,
{
    /// Gives a seat back. It may have been given back already.
    pub(super) fn vacate(&self, seat: &Arc<Seat<K, V>>) {
        let lifecycle = seat.handle.lifecycle();
        // First, so that whoever no longer finds the seat finds this.
        if let (Some(last_closes), Some(closed)) = (&self.last_closes, lifecycle.closed()) {
            lifecycle.contain(|| last_closes.record(seat.hash, &seat.key, closed));
        }
        let mut table = self.table(seat.hash);
        let Some(mut entry) = table.find(seat.hash, |group| group.contains(seat)) else {
            return;
        };
        let group = entry.get_mut();
        let removed = group.remove(seat);
        let hooks = self.hooks.as_ref();
        let hooks = hooks.filter(|_| group.begin_calls(seat));
        if group.is_vacant() {
            entry.remove();
            table.shrink();
        }
        drop(table);
        drop(removed);
        if let Some(hooks) = hooks {
            self.call_hooks(hooks, seat);
        }
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
        let mut table = self.registry.table(self.hash);
        let group = table.find(self.hash, |group| group.id == self.group);
        group.map_or_else(Vec::new, |group| group.get().handles_before(self.order))
    }
}
