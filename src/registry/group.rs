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
    /// The order of its first seat: it is gone when its last one is, and then another
    /// one comes.
    pub(super) id: u64,
    /// `None` only while a hook runs.
    oldest: Option<Arc<Seat<K, V>>>,
    /// `None` if there are none.
    others: Option<Box<Others<K, V>>>,
    /// For whom the hooks of this key are being called, by one thread at a time.
    caller: Option<Arc<Seat<K, V>>>,
    /// Whether the last call was `on_first`.
    begun: bool,
}

/// By `Seat::order`.
type Others<K, V> = BTreeMap<u64, Arc<Seat<K, V>>>;

impl<K, V> Group<K, V> {
    /// Without a seat: one is put in before the lock is released.
    pub(super) fn new(hash: u64, id: u64) -> Self {
        Self {
            hash,
            id,
            oldest: None,
            others: None,
            caller: None,
            begun: false,
        }
    }

    pub(super) fn is_under<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let any = self.oldest.as_ref().or(self.caller.as_ref());
        any.is_some_and(|seat| seat.key.borrow() == key)
    }

    pub(super) fn len(&self) -> usize {
        let others = self.others.as_ref().map_or(0, |others| others.len());
        usize::from(self.oldest.is_some()) + others
    }

    pub(super) fn seats(&self) -> impl DoubleEndedIterator<Item = &Arc<Seat<K, V>>> {
        let others = self.others.iter().flat_map(|others| others.values());
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

    pub(super) fn contains(&self, seat: &Seat<K, V>) -> bool {
        let oldest = self.oldest.as_ref();
        let others = self.others.as_ref();
        oldest.is_some_and(|oldest| oldest.order == seat.order)
            || others.is_some_and(|others| others.contains_key(&seat.order))
    }

    /// Adds the one with the highest order so far.
    pub(super) fn push(&mut self, seat: Arc<Seat<K, V>>) {
        if self.oldest.is_none() {
            self.oldest = Some(seat);
        } else {
            self.others.get_or_insert_default().insert(seat.order, seat);
        }
    }

    /// By identity, never by key (I5): a successor is another connection.
    pub(super) fn remove(&mut self, seat: &Seat<K, V>) -> Option<Arc<Seat<K, V>>> {
        let is_oldest = self.oldest.as_ref()?.order == seat.order;
        let removed = if is_oldest {
            let next = self.others.as_mut().and_then(|others| others.pop_first());
            std::mem::replace(&mut self.oldest, next.map(|(_, seat)| seat))
        } else {
            self.others.as_mut()?.remove(&seat.order)
        };
        if self.others.as_ref().is_some_and(|others| others.is_empty()) {
            self.others = None;
        }
        removed
    }

    /// Whether nothing is left to keep it for.
    pub(super) fn is_vacant(&self) -> bool {
        self.oldest.is_none() && self.caller.is_none()
    }

    /// Makes `seat` the one for whom the hooks are called, if a call is due and nobody
    /// is at it.
    pub(super) fn begin_calls(&mut self, seat: &Arc<Seat<K, V>>) -> bool {
        let due = self.caller.is_none() && self.due().is_some();
        if due {
            self.caller = Some(Arc::clone(seat));
        }
        due
    }

    pub(super) fn calls_for(&self, seat: &Arc<Seat<K, V>>) -> bool {
        let caller = self.caller.as_ref();
        caller.is_some_and(|caller| Arc::ptr_eq(caller, seat))
    }

    /// The next call to make. With none left, the calls are over, and whom they were
    /// made for is returned.
    pub(super) fn next_call(&mut self) -> Result<Call, Option<Arc<Seat<K, V>>>> {
        match self.due() {
            Some(call) => {
                self.begun = call == Call::First;
                Ok(call)
            }
            None => Err(self.caller.take()),
        }
    }

    fn due(&self) -> Option<Call> {
        match (self.begun, self.oldest.is_some()) {
            (false, true) => Some(Call::First),
            (true, false) => Some(Call::Last),
            (false, false) | (true, true) => None,
        }
    }
}
