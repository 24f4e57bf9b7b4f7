//! The slots under one key.

use std::borrow::Borrow;
use std::ptr;
use std::sync::Arc;

use super::crowd::{Crowd, Departed, Newest};
use super::portion::{Portion, Unfinished};
use super::slot::Slot;
use crate::lifecycle::{Exit, Lifecycle};
use crate::sync::baton::Baton;

/// The slots under one key, in the order of their reservation. A single slot, which is the
/// common case, takes no allocation; many stay cheap to insert and to remove.
pub(super) struct Bucket<K, V, R> {
    /// The slot, if it is the only one.
    sole: Option<Arc<Slot<K, V, R>>>,
    /// `None` if all of it would be empty.
    rest: Option<Box<BucketRest<K, V, R>>>,
}

/// What a bucket with one slot and without hooks does not need.
struct BucketRest<K, V, R> {
    /// Several slots, or none but a take-over that has not been told yet that it may go on.
    crowd: Option<Box<Crowd<K, V, R>>>,
    hooks: HookCalls<K, V, R>,
}

/// The hook calls of one key.
struct HookCalls<K, V, R> {
    /// Held by the thread that calls the hooks, with the slot for which it does.
    baton: Baton<Arc<Slot<K, V, R>>>,
    /// Whether the latest call was `on_first`.
    in_use: bool,
}

/// The slot on whose behalf hooks were called.
type Caller<K, V, R> = Option<Arc<Slot<K, V, R>>>;

/// A hook of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    First,
    Last,
}

impl<K, V, R> Default for BucketRest<K, V, R> {
    fn default() -> Self {
        Self {
            crowd: None,
            hooks: HookCalls {
                baton: Baton::default(),
                in_use: false,
            },
        }
    }
}

impl<K, V, R> Bucket<K, V, R> {
    /// With one slot.
    pub(super) fn new(slot: Arc<Slot<K, V, R>>) -> Self {
        Self {
            sole: Some(slot),
            rest: None,
        }
    }

    /// Whether the slot with this order is all that the bucket has.
    #[inline]
    pub(super) fn is_only(&self, order: u64) -> bool {
        self.rest.is_none() && self.sole.as_ref().is_some_and(|it| it.order == order)
    }

    /// The slot, if it is the only one.
    #[inline]
    pub(super) fn into_sole(self) -> Option<Arc<Slot<K, V, R>>> {
        self.sole
    }

    #[inline]
    pub(super) fn is_under<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.any().is_some_and(|slot| slot.key.borrow() == key)
    }

    /// Of its key. For a bucket that is not [vacant](Self::is_vacant).
    #[inline]
    pub(super) fn hash(&self) -> u64 {
        let any = self.any();
        any.expect("it has a slot, or hooks are called for one")
            .hash
    }

    pub(super) fn generation(&self) -> Option<u64> {
        self.any().map(|slot| slot.generation)
    }

    /// Some slot of the bucket: all of them have the same key and generation.
    #[inline]
    fn any(&self) -> Option<&Arc<Slot<K, V, R>>> {
        self.sole.as_ref().or_else(|| self.any_of_rest())
    }

    #[inline(never)]
    fn any_of_rest(&self) -> Option<&Arc<Slot<K, V, R>>> {
        let any = self.crowd().and_then(Crowd::any);
        any.or_else(|| self.hook_caller())
    }

    /// Whether one of these orders is that of a slot of this connection.
    pub(super) fn has_one_of(&self, lifecycle: &Lifecycle, orders: &[u64]) -> bool {
        let mut slots = orders.iter().filter_map(|order| self.slot(*order));
        slots.any(|slot| ptr::eq(slot.handle.lifecycle(), lifecycle))
    }

    /// How many connections under the key have not settled.
    pub(super) fn len(&self) -> usize {
        usize::from(self.sole.is_some()) + self.crowd().map_or(0, Crowd::len)
    }

    /// Whether at least `many` of the slots are known to be closed.
    pub(super) fn has_closed(&mut self, many: usize) -> bool {
        if let Some(sole) = &self.sole {
            return many <= usize::from(!sole.is_open());
        }
        self.crowd_mut()
            .map_or(many == 0, |crowd| crowd.has_closed(many))
    }

    /// The newest slot that is live.
    #[inline]
    pub(super) fn newest_live(&mut self, portion: &mut Portion) -> Newest<'_, K, V, R> {
        if self.sole.is_some() {
            return Ok(self.sole.as_ref().filter(|slot| slot.is_live()));
        }
        match self.crowd_mut() {
            Some(crowd) => crowd.newest_live(portion),
            None => Ok(None),
        }
    }

    /// The newest slot that is open.
    pub(super) fn newest_open(&mut self, portion: &mut Portion) -> Newest<'_, K, V, R> {
        if self.sole.is_some() {
            return Ok(self.sole.as_ref().filter(|slot| slot.is_open()));
        }
        match self.crowd_mut() {
            Some(crowd) => crowd.newest_open(portion),
            None => Ok(None),
        }
    }

    /// The newest slot that has closed, if every slot has been visited that is open.
    pub(super) fn newest_closed(&self) -> Option<&Arc<Slot<K, V, R>>> {
        let sole = self.sole.as_ref().filter(|slot| !slot.is_open());
        sole.or_else(|| self.crowd()?.newest_closed())
    }

    /// Visits the live slots that are newer than `after`, in the order of their reservation.
    pub(super) fn live_after(
        &mut self,
        after: u64,
        portion: &mut Portion,
        visit: impl FnMut(&Arc<Slot<K, V, R>>),
    ) -> Result<(), Unfinished<u64>> {
        if let Some(sole) = &self.sole {
            let sole = Some(sole).filter(|slot| slot.order > after && slot.is_live());
            sole.into_iter().for_each(visit);
            return Ok(());
        }
        let crowd = self.crowd_mut();
        crowd.map_or(Ok(()), |crowd| crowd.live_after(after, portion, visit))
    }

    /// Visits the open slots between `after` and `before`, in the order of their reservation.
    pub(super) fn open_between(
        &mut self,
        after: u64,
        before: u64,
        portion: &mut Portion,
        visit: impl FnMut(&Arc<Slot<K, V, R>>),
    ) -> Result<(), Unfinished<u64>> {
        if let Some(sole) = &self.sole {
            let is_between = after < sole.order && sole.order < before;
            let sole = Some(sole).filter(|slot| is_between && slot.is_open());
            sole.into_iter().for_each(visit);
            return Ok(());
        }
        let crowd = self.crowd_mut();
        crowd.map_or(Ok(()), |crowd| {
            crowd.open_between(after, before, portion, visit)
        })
    }

    /// The newest slot that is older than `order`.
    pub(super) fn before(&self, order: u64) -> Option<&Arc<Slot<K, V, R>>> {
        let sole = self.sole.as_ref().filter(|slot| slot.order < order);
        sole.or_else(|| self.crowd()?.before(order))
    }

    /// The slot with this order.
    pub(super) fn slot(&self, order: u64) -> Option<&Arc<Slot<K, V, R>>> {
        let sole = self.sole.as_ref().filter(|slot| slot.order == order);
        sole.or_else(|| self.crowd()?.slot(order))
    }

    /// Inserts a slot whose order is higher than all before it.
    pub(super) fn push(&mut self, slot: Arc<Slot<K, V, R>>) {
        match self.sole.take() {
            None if self.len() == 0 => self.sole = Some(slot),
            sole => {
                let crowd = self.new_crowd();
                sole.into_iter().for_each(|sole| crowd.insert(sole));
                crowd.insert(slot);
            }
        }
    }

    /// By identity, never by key (I5): the slot of a successor has another order.
    pub(super) fn remove(&mut self, order: u64, exit: Exit) -> Option<Arc<Slot<K, V, R>>> {
        if let Some(sole) = self.sole.take_if(|sole| sole.order == order) {
            self.departed(order, exit);
            return Some(sole);
        }
        let crowd = self.crowd_mut()?;
        let removed = crowd.remove(order)?;
        self.sole = crowd.take_sole();
        self.departed(order, exit);
        Some(removed)
    }

    fn departed(&mut self, order: u64, exit: Exit) {
        if let Some(crowd) = self.crowd_mut() {
            crowd.departed(order, exit);
        }
        self.drop_rest_if_empty();
    }

    /// Brings a slot back that a look-up has set aside.
    pub(super) fn bring_back(&mut self, order: u64) {
        if let Some(crowd) = self.crowd_mut() {
            crowd.bring_back(order);
        }
    }

    /// A take-over waits from now on until its slot is the oldest.
    pub(super) fn begin_claim(&mut self, order: u64) {
        self.new_crowd().begin_claim(order);
    }

    /// The predecessors that have settled since [`begin_claim`](Self::begin_claim).
    pub(super) fn end_claim(&mut self, order: u64) -> Departed {
        let departed = self.crowd_mut().and_then(|crowd| crowd.end_claim(order));
        self.drop_rest_if_empty();
        departed.unwrap_or_default()
    }

    /// Whether the bucket can be removed: it has no slot, and no thread calls its hooks.
    pub(super) fn is_vacant(&self) -> bool {
        self.len() == 0 && self.hook_caller().is_none()
    }

    /// Makes this thread call the hooks on behalf of `slot`, if a call is due and no other
    /// thread calls them.
    pub(super) fn begin_calls(&mut self, slot: &Arc<Slot<K, V, R>>) -> bool {
        self.due().is_some() && self.rest().hooks.baton.take(|| Arc::clone(slot))
    }

    pub(super) fn calls_for(&self, slot: &Arc<Slot<K, V, R>>) -> bool {
        self.hook_caller()
            .is_some_and(|caller| Arc::ptr_eq(caller, slot))
    }

    /// The next call to make. If none is due, the calls are over, and the slot on whose
    /// behalf they were made is returned.
    pub(super) fn next_call(&mut self) -> Result<Call, Caller<K, V, R>> {
        let due = self.due();
        let hooks = &mut self.rest().hooks;
        let call = hooks.baton.next(due)?;
        hooks.in_use = call == Call::First;
        Ok(call)
    }

    fn due(&self) -> Option<Call> {
        let in_use = self.rest.as_ref().is_some_and(|rest| rest.hooks.in_use);
        match (in_use, self.len() > 0) {
            (false, true) => Some(Call::First),
            (true, false) => Some(Call::Last),
            (false, false) | (true, true) => None,
        }
    }

    fn crowd(&self) -> Option<&Crowd<K, V, R>> {
        self.rest.as_ref()?.crowd.as_deref()
    }

    fn crowd_mut(&mut self) -> Option<&mut Crowd<K, V, R>> {
        self.rest.as_mut()?.crowd.as_deref_mut()
    }

    fn new_crowd(&mut self) -> &mut Crowd<K, V, R> {
        self.rest().crowd.get_or_insert_default()
    }

    fn hook_caller(&self) -> Option<&Arc<Slot<K, V, R>>> {
        self.rest.as_ref()?.hooks.baton.holder()
    }

    fn rest(&mut self) -> &mut BucketRest<K, V, R> {
        self.rest.get_or_insert_default()
    }

    fn drop_rest_if_empty(&mut self) {
        let Some(BucketRest { crowd, hooks }) = self.rest.as_deref_mut() else {
            return;
        };
        crowd.take_if(|crowd| crowd.is_empty());
        if crowd.is_none() && hooks.baton.holder().is_none() && !hooks.in_use {
            self.rest = None;
        }
    }
}
