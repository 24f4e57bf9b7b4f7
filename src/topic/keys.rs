//! The keys of one shard of topics.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use hashbrown::HashTable;

use super::shared::Shared;
use crate::shrink;
use crate::sync::baton::Baton;

/// A key that is in use: it has a topic, or subscriptions to one that was closed.
pub(super) struct Slot<K, T> {
    hash: u64,
    order: u64,
    pub(super) key: Arc<K>,
    /// `None` after a close, until the key is used again.
    pub(super) topic: Option<Arc<Shared<T>>>,
    /// Also those of topics under this key that were closed.
    pub(super) subscribers: usize,
    /// Which hook was called last.
    pub(super) is_announced: bool,
    /// Held by the thread that calls the hooks.
    pub(super) caller: Baton,
}

impl<K, T> Slot<K, T> {
    pub(super) fn topic(&mut self) -> Option<Arc<Shared<T>>> {
        self.topic.clone()
    }

    /// Whether a hook is to be called.
    pub(super) fn is_due(&self) -> bool {
        self.is_announced != (self.subscribers > 0)
    }
}

pub(super) struct Keys<K, T> {
    slots: HashTable<Slot<K, T>>,
    /// In the order in which they came into use, for walks in portions (I10).
    order: BTreeMap<u64, (u64, Arc<K>)>,
    next_order: u64,
    /// Where the walk that looks for idle keys is.
    looked_at: u64,
    /// Behind the last item of every topic that was removed here. A later topic under the same
    /// key begins there, so that no cursor is a place in both.
    pub(super) forgotten: u64,
}

impl<K, T> Default for Keys<K, T> {
    fn default() -> Self {
        Self {
            slots: HashTable::new(),
            order: BTreeMap::new(),
            next_order: 1,
            looked_at: 0,
            forgotten: 0,
        }
    }
}

impl<K, T> Keys<K, T> {
    pub(super) fn get<Q>(&mut self, hash: u64, key: &Q) -> Option<&mut Slot<K, T>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.slots.find_mut(hash, |slot| {
            let known: &K = &slot.key;
            slot.hash == hash && known.borrow() == key
        })
    }

    /// A slot that is identified without its key.
    pub(super) fn find(&mut self, hash: u64, key: &Arc<K>) -> Option<&mut Slot<K, T>> {
        self.slots
            .find_mut(hash, |slot| Arc::ptr_eq(&slot.key, key))
    }

    /// Adds a key that is not there.
    pub(super) fn insert(&mut self, hash: u64, key: &Arc<K>) -> &mut Slot<K, T> {
        let order = self.next_order;
        self.next_order += 1;
        self.order.insert(order, (hash, Arc::clone(key)));
        let slot = Slot {
            hash,
            order,
            key: Arc::clone(key),
            topic: None,
            subscribers: 0,
            is_announced: false,
            caller: Baton::default(),
        };
        let entry = self.slots.insert_unique(hash, slot, |slot| slot.hash);
        entry.into_mut()
    }

    /// Removes a key of which nothing is left. Returns what is to be dropped when no lock is
    /// held (I8).
    pub(super) fn remove_idle(
        &mut self,
        hash: u64,
        key: &Arc<K>,
    ) -> Option<impl Sized + use<K, T>> {
        let is_match = |slot: &Slot<K, T>| Arc::ptr_eq(&slot.key, key);
        let entry = self.slots.find_entry(hash, is_match).ok()?;
        let slot = entry.get();
        if slot.subscribers > 0 || slot.is_announced || slot.caller.holder().is_some() {
            return None;
        }
        if let Some(topic) = &slot.topic {
            let end = topic.retire()?;
            self.forgotten = self.forgotten.max(end.number());
        }
        let (slot, _) = entry.remove();
        let ordered = self.order.remove(&slot.order);
        if let Some(target) = shrink::target(self.slots.len(), self.slots.capacity()) {
            self.slots.shrink_to(target, |slot| slot.hash);
        }
        Some((slot, ordered))
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The next key after `order`, in the order in which they came into use.
    pub(super) fn after(&self, order: u64) -> Option<(u64, u64, &Arc<K>)> {
        let mut rest = self.order.range((Excluded(order), Unbounded));
        rest.next().map(|(order, (hash, key))| (*order, *hash, key))
    }

    /// The next key that may have become idle: each in its turn.
    pub(super) fn next_to_look_at(&mut self) -> Option<(u64, Arc<K>)> {
        let next = self.after(self.looked_at).or_else(|| self.after(0));
        let (order, hash, key) = next.map(|(order, hash, key)| (order, hash, Arc::clone(key)))?;
        self.looked_at = order;
        Some((hash, key))
    }
}
