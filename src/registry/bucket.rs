//! The slots under one key.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::slot::Slot;
use crate::lifecycle::Handle;
use crate::sync::baton::Baton;

/// The slots under one key, in the order of their reservation. A single slot, which is the
/// common case, takes no allocation; many stay cheap to insert and to remove.
pub(super) struct Bucket<K, V> {
    pub(super) hash: u64,
    /// `None` only while a hook runs.
    oldest: Option<Arc<Slot<K, V>>>,
    /// `None` if all of it would be empty.
    rest: Option<Box<BucketRest<K, V>>>,
}

/// What a bucket with one slot and without hooks does not need.
struct BucketRest<K, V> {
    /// By `Slot::order`.
    others: BTreeMap<u64, Arc<Slot<K, V>>>,
    hooks: HookCalls<K, V>,
}

/// The hook calls of one key.
struct HookCalls<K, V> {
    /// Held by the thread that calls the hooks, with the slot for which it does.
    baton: Baton<Arc<Slot<K, V>>>,
    /// Whether the latest call was `on_first`.
    in_use: bool,
}

/// A hook of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    First,
    Last,
}

impl<K, V> Default for BucketRest<K, V> {
    fn default() -> Self {
        Self {
            others: BTreeMap::new(),
            hooks: HookCalls {
                baton: Baton::default(),
                in_use: false,
            },
        }
    }
}

impl<K, V> Bucket<K, V> {
    /// Without a slot: the caller inserts one before it releases the lock.
    pub(super) fn new(hash: u64) -> Self {
        Self {
            hash,
            oldest: None,
            rest: None,
        }
    }

    pub(super) fn is_under<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.any().is_some_and(|slot| slot.key.borrow() == key)
    }

    pub(super) fn generation(&self) -> Option<u64> {
        self.any().map(|slot| slot.generation)
    }

    /// Some slot of the bucket: all of them have the same key and generation.
    fn any(&self) -> Option<&Arc<Slot<K, V>>> {
        self.oldest.as_ref().or_else(|| self.hook_caller())
    }

    pub(super) fn len(&self) -> usize {
        let others = self.others().map_or(0, BTreeMap::len);
        usize::from(self.oldest.is_some()) + others
    }

    pub(super) fn slots(&self) -> impl DoubleEndedIterator<Item = &Arc<Slot<K, V>>> {
        let others = self.others().into_iter().flat_map(BTreeMap::values);
        self.oldest.iter().chain(others)
    }

    pub(super) fn newest_live(&self) -> Option<&Arc<Slot<K, V>>> {
        self.slots().rev().find(|slot| slot.is_live())
    }

    pub(super) fn handles(&self) -> Vec<Handle> {
        self.slots().map(|slot| slot.handle.clone()).collect()
    }

    /// The handles of the slots that were reserved before the slot with this order.
    pub(super) fn handles_before(&self, order: u64) -> Vec<Handle> {
        self.slots()
            .take_while(|slot| slot.order < order)
            .map(|slot| slot.handle.clone())
            .collect()
    }

    /// The slot with this order.
    pub(super) fn slot(&self, order: u64) -> Option<&Arc<Slot<K, V>>> {
        let oldest = self.oldest.as_ref();
        oldest
            .filter(|oldest| oldest.order == order)
            .or_else(|| self.others()?.get(&order))
    }

    /// Inserts a slot whose order is higher than all before it.
    pub(super) fn push(&mut self, slot: Arc<Slot<K, V>>) {
        if self.oldest.is_none() {
            self.oldest = Some(slot);
        } else {
            self.rest().others.insert(slot.order, slot);
        }
    }

    /// By identity, never by key (I5): the slot of a successor has another order.
    pub(super) fn remove(&mut self, order: u64) -> Option<Arc<Slot<K, V>>> {
        let is_oldest = self.oldest.as_ref()?.order == order;
        let Some(rest) = &mut self.rest else {
            return self.oldest.take_if(|_| is_oldest);
        };
        let removed = if is_oldest {
            let next = rest.others.pop_first();
            std::mem::replace(&mut self.oldest, next.map(|(_, slot)| slot))
        } else {
            rest.others.remove(&order)
        };
        if rest.others.is_empty() && rest.hooks.baton.holder().is_none() && !rest.hooks.in_use {
            self.rest = None;
        }
        removed
    }

    /// Whether the bucket can be removed: it has no slot, and no thread calls its hooks.
    pub(super) fn is_vacant(&self) -> bool {
        self.oldest.is_none() && self.hook_caller().is_none()
    }

    /// Makes this thread call the hooks on behalf of `slot`, if a call is due and no other
    /// thread calls them.
    pub(super) fn begin_calls(&mut self, slot: &Arc<Slot<K, V>>) -> bool {
        self.due().is_some() && self.rest().hooks.baton.take(|| Arc::clone(slot))
    }

    pub(super) fn calls_for(&self, slot: &Arc<Slot<K, V>>) -> bool {
        self.hook_caller()
            .is_some_and(|caller| Arc::ptr_eq(caller, slot))
    }

    /// The next call to make. If none is due, the calls are over, and the slot on whose
    /// behalf they were made is returned.
    pub(super) fn next_call(&mut self) -> Result<Call, Option<Arc<Slot<K, V>>>> {
        let due = self.due();
        let hooks = &mut self.rest().hooks;
        let call = hooks.baton.next(due)?;
        hooks.in_use = call == Call::First;
        Ok(call)
    }

    fn due(&self) -> Option<Call> {
        let in_use = self.rest.as_ref().is_some_and(|rest| rest.hooks.in_use);
        match (in_use, self.oldest.is_some()) {
            (false, true) => Some(Call::First),
            (true, false) => Some(Call::Last),
            (false, false) | (true, true) => None,
        }
    }

    fn others(&self) -> Option<&BTreeMap<u64, Arc<Slot<K, V>>>> {
        self.rest.as_ref().map(|rest| &rest.others)
    }

    fn hook_caller(&self) -> Option<&Arc<Slot<K, V>>> {
        self.rest.as_ref()?.hooks.baton.holder()
    }

    fn rest(&mut self) -> &mut BucketRest<K, V> {
        self.rest.get_or_insert_default()
    }
}
