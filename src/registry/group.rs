//! The seats under one key.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::hooks::Call;
use super::seat::Seat;
use crate::handle::Handle;

/// In the order of reservation. One is the rule, and takes no allocation; many stay
/// cheap to add and to remove.
pub(super) struct Group<K, V> {
    pub(super) hash: u64,
    /// `None` only while a hook runs.
    oldest: Option<Arc<Seat<K, V>>>,
    /// `None` if there is nothing of it.
    more: Option<Box<More<K, V>>>,
}

/// What a group with one seat and without hooks does not have.
struct More<K, V> {
    /// By `Seat::order`.
    others: BTreeMap<u64, Arc<Seat<K, V>>>,
    /// For whom the hooks of this key are being called, by one thread at a time.
    caller: Option<Arc<Seat<K, V>>>,
    /// Whether the last call was `on_first`.
    begun: bool,
}

impl<K, V> Default for More<K, V> {
    fn default() -> Self {
        Self {
            others: BTreeMap::new(),
            caller: None,
            begun: false,
        }
    }
}

impl<K, V> Group<K, V> {
    /// Without a seat: one is put in before the lock is released.
    pub(super) fn new(hash: u64) -> Self {
        Self {
            hash,
            oldest: None,
            more: None,
        }
    }

    pub(super) fn is_under<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.any().is_some_and(|seat| seat.key.borrow() == key)
    }

    pub(super) fn id(&self) -> Option<u64> {
        self.any().map(|seat| seat.group)
    }

    /// One seat of it, which says what all of them say.
    fn any(&self) -> Option<&Arc<Seat<K, V>>> {
        self.oldest.as_ref().or_else(|| self.caller())
    }

    pub(super) fn len(&self) -> usize {
        let others = self.others().map_or(0, BTreeMap::len);
        usize::from(self.oldest.is_some()) + others
    }

    pub(super) fn seats(&self) -> impl DoubleEndedIterator<Item = &Arc<Seat<K, V>>> {
        let others = self.others().into_iter().flat_map(BTreeMap::values);
        self.oldest.iter().chain(others)
    }

    /// The newest that is live.
    pub(super) fn newest_live(&self) -> Option<&Arc<Seat<K, V>>> {
        self.seats().rev().find(|seat| seat.is_live())
    }

    pub(super) fn handles(&self) -> Vec<Handle> {
        self.seats().map(|seat| seat.handle.clone()).collect()
    }

    /// Of those that came before the one of this order.
    pub(super) fn handles_before(&self, order: u64) -> Vec<Handle> {
        self.seats()
            .take_while(|seat| seat.order < order)
            .map(|seat| seat.handle.clone())
            .collect()
    }

    /// The seat of this order.
    pub(super) fn seat(&self, order: u64) -> Option<&Arc<Seat<K, V>>> {
        let oldest = self.oldest.as_ref();
        oldest
            .filter(|oldest| oldest.order == order)
            .or_else(|| self.others()?.get(&order))
    }

    /// Adds the one with the highest order so far.
    pub(super) fn push(&mut self, seat: Arc<Seat<K, V>>) {
        if self.oldest.is_none() {
            self.oldest = Some(seat);
        } else {
            self.more().others.insert(seat.order, seat);
        }
    }

    /// By identity, never by key (I5): a successor is another connection.
    pub(super) fn remove(&mut self, order: u64) -> Option<Arc<Seat<K, V>>> {
        let is_oldest = self.oldest.as_ref()?.order == order;
        let Some(more) = &mut self.more else {
            return self.oldest.take_if(|_| is_oldest);
        };
        let removed = if is_oldest {
            let next = more.others.pop_first();
            std::mem::replace(&mut self.oldest, next.map(|(_, seat)| seat))
        } else {
            more.others.remove(&order)
        };
        if more.others.is_empty() && more.caller.is_none() && !more.begun {
            self.more = None;
        }
        removed
    }

    /// Whether nothing is left to keep it for.
    pub(super) fn is_vacant(&self) -> bool {
        self.oldest.is_none() && self.caller().is_none()
    }

    /// Makes `seat` the one for whom the hooks are called, if a call is due and nobody
    /// is at it.
    pub(super) fn begin_calls(&mut self, seat: &Arc<Seat<K, V>>) -> bool {
        let due = self.caller().is_none() && self.due().is_some();
        if due {
            self.more().caller = Some(Arc::clone(seat));
        }
        due
    }

    pub(super) fn calls_for(&self, seat: &Arc<Seat<K, V>>) -> bool {
        self.caller()
            .is_some_and(|caller| Arc::ptr_eq(caller, seat))
    }

    /// The next call to make. With none left, the calls are over, and whom they were
    /// made for is returned.
    pub(super) fn next_call(&mut self) -> Result<Call, Option<Arc<Seat<K, V>>>> {
        match self.due() {
            Some(call) => {
                self.more().begun = call == Call::First;
                Ok(call)
            }
            None => Err(self.more().caller.take()),
        }
    }

    fn due(&self) -> Option<Call> {
        let begun = self.more.as_ref().is_some_and(|more| more.begun);
        match (begun, self.oldest.is_some()) {
            (false, true) => Some(Call::First),
            (true, false) => Some(Call::Last),
            (false, false) | (true, true) => None,
        }
    }

    fn others(&self) -> Option<&BTreeMap<u64, Arc<Seat<K, V>>>> {
        self.more.as_ref().map(|more| &more.others)
    }

    fn caller(&self) -> Option<&Arc<Seat<K, V>>> {
        self.more.as_ref()?.caller.as_ref()
    }

    fn more(&mut self) -> &mut More<K, V> {
        self.more.get_or_insert_default()
    }
}
