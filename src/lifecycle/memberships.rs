//! The slots in registries that a connection holds until it is unwound.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::settled::UndoCounts;
use super::waits_for::Name;

/// A slot in a registry, of which the connection that holds it knows no more than this.
///
/// It keeps the registry alive, so that the calls of its hooks balance.
pub(crate) trait Membership: Send + Sync {
    /// Identifies the registry.
    fn registry(&self) -> *const ();

    /// Keeps the registry beyond the slot.
    fn keep_registry(&self) -> Arc<dyn Send + Sync>;

    fn place(&self) -> Place;

    /// Removes the slot from its registry.
    fn leave(&self, exit: Exit);

    /// Removes all slots of this registry, among them this one, of connections that have been
    /// unwound and are clean. User code runs within `contain`, which is told the index of its slot.
    fn leave_together(&self, leaving: &mut Leaving, contain: &dyn Fn(usize, &mut dyn FnMut()));

    /// The name of the registry, and the key, in words. `None` if the registry has no name. User
    /// code.
    fn key(&self) -> Option<(Name, String)>;

    /// Shows the slot to look-ups again, if one has set it aside.
    fn bring_back(&self);
}

/// Slots to be removed, those of a registry together.
#[derive(Default)]
pub(crate) struct Leaving {
    /// Each is there until it has been removed.
    pub(crate) slots: Vec<Option<Arc<dyn Membership>>>,
    /// Memory for the call that removes them: the places of those of its registry and their
    /// indices, and the same sorted.
    pub(crate) places: Vec<(Place, usize)>,
    pub(crate) sorted: Vec<(Place, usize)>,
}

/// Identifies a slot in its registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The hash of the key, by the hasher of this registry.
    pub(crate) hash: u64,
    /// The number of the slot in its shard, which no other slot of the shard ever has.
    pub(crate) order: u64,
}

/// Why a slot is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The connection has been unwound. It was `clean` if every undo ran to its end.
    Settling { clean: bool },
    /// A take-over that has not succeeded gives its place back.
    Withdrawn,
}

impl Exit {
    pub(super) fn settling(counts: UndoCounts) -> Self {
        let clean = counts.panics == 0 && counts.abandoned == 0;
        Self::Settling { clean }
    }
}

/// Up to this number, a search through the stack is quicker than an index.
const FEW: usize = 8;

/// A stack, newest on top. A single membership, which is the common case, takes no
/// allocation, and no more memory than a pointer to it.
pub(super) struct Memberships(Stack);

enum Stack {
    One(Arc<dyn Membership>),
    /// None, or several.
    Other(Option<Box<Several>>),
}

struct Several {
    top: Arc<dyn Membership>,
    below: Memberships,
    /// Among others, the places of all that are below, if they are not few. Those that have left
    /// stay: in another registry, one of these may have the same place.
    index: Option<Box<Index>>,
}

/// The hash and the order of places.
type Index = BTreeSet<(u64, u64)>;

impl Default for Memberships {
    fn default() -> Self {
        Self(Stack::Other(None))
    }
}

impl Memberships {
    #[inline]
    pub(super) fn push(&mut self, membership: Arc<dyn Membership>) {
        if !self.is_empty() {
            return self.push_on_top(membership);
        }
        *self = Self::from(membership);
    }

    #[inline(never)]
    fn push_on_top(&mut self, top: Arc<dyn Membership>) {
        let mut below = std::mem::take(self);
        let index = below.take_index();
        *self = Self(Stack::Other(Some(Box::new(Several { top, below, index }))));
    }

    pub(super) fn pop(&mut self) -> Option<Arc<dyn Membership>> {
        match std::mem::take(self).0 {
            Stack::One(only) => Some(only),
            Stack::Other(None) => None,
            Stack::Other(Some(several)) => {
                let Several { top, below, index } = *several;
                *self = below;
                self.return_index(index);
                Some(top)
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self.0, Stack::Other(None))
    }

    /// The only one, or else all of them.
    #[inline]
    pub(super) fn into_only(self) -> Result<Arc<dyn Membership>, Self> {
        match self.0 {
            Stack::One(only) => Ok(only),
            other @ Stack::Other(_) => Err(Self(other)),
        }
    }

    /// Calls `leave` with each of them, newest first. The index is not kept up.
    #[inline]
    pub(super) fn leave_each(self, mut leave: impl FnMut(Arc<dyn Membership>)) {
        match self.0 {
            Stack::One(only) => leave(only),
            Stack::Other(None) => {}
            Stack::Other(Some(several)) => several.leave_each(leave),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<dyn Membership>> {
        let mut next = Some(self);
        std::iter::from_fn(move || match &next.take()?.0 {
            Stack::One(only) => Some(only),
            Stack::Other(several) => {
                let several = several.as_deref()?;
                next = Some(&several.below);
                Some(&several.top)
            }
        })
    }

    /// Among others, the orders of the places with this hash that are in this registry.
    pub(super) fn orders_under(&self, registry: *const (), hash: u64) -> Vec<u64> {
        let index = match &self.0 {
            Stack::Other(Some(several)) => several.index.as_deref(),
            Stack::One(_) | Stack::Other(None) => None,
        };
        let mut orders = Vec::new();
        // Without an index there are few.
        for held in self.iter().take(if index.is_some() { 1 } else { FEW + 1 }) {
            let place = held.place();
            if place.hash == hash && held.registry() == registry {
                orders.push(place.order);
            }
        }
        if let Some(index) = index {
            let indexed = index.range((hash, 0)..=(hash, u64::MAX));
            orders.extend(indexed.map(|(_, order)| *order));
        }
        orders
    }

    /// The places of all of these, for what comes on top of them, if they are not few.
    fn take_index(&mut self) -> Option<Box<Index>> {
        let index = match &mut self.0 {
            Stack::Other(Some(several)) => several.index.take().map(|index| (index, &several.top)),
            Stack::One(_) | Stack::Other(None) => None,
        };
        if let Some((mut index, top)) = index {
            index.insert(top.place().indexed());
            return Some(index);
        }
        let places = self.iter().map(|it| it.place().indexed());
        (self.iter().count() > FEW).then(|| Box::new(places.collect()))
    }

    /// What [`take_index`](Self::take_index) has returned, unless one or none is left.
    fn return_index(&mut self, index: Option<Box<Index>>) {
        if let Stack::Other(Some(several)) = &mut self.0 {
            several.index = index;
        }
    }
}

impl From<Arc<dyn Membership>> for Memberships {
    fn from(membership: Arc<dyn Membership>) -> Self {
        Self(Stack::One(membership))
    }
}

impl Several {
    #[inline(never)]
    fn leave_each(self: Box<Self>, mut leave: impl FnMut(Arc<dyn Membership>)) {
        let mut next = Memberships(Stack::Other(Some(self)));
        while let Stack::Other(Some(several)) = next.0 {
            next = several.below;
            leave(several.top);
        }
        next.leave_each(leave);
    }
}

impl Place {
    fn indexed(self) -> (u64, u64) {
        (self.hash, self.order)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Exit, FEW, Leaving, Membership, Memberships, Name, Place};

    impl Membership for Place {
        fn registry(&self) -> *const () {
            std::ptr::null()
        }

        fn keep_registry(&self) -> Arc<dyn Send + Sync> {
            unreachable!("it is in none")
        }

        fn place(&self) -> Place {
            *self
        }

        fn leave(&self, _: Exit) {}

        fn leave_together(&self, _: &mut Leaving, _: &dyn Fn(usize, &mut dyn FnMut())) {}

        fn key(&self) -> Option<(Name, String)> {
            None
        }

        fn bring_back(&self) {}
    }

    #[test]
    fn every_order_is_found_also_of_places_that_are_alike_in_several_registries() {
        const MOST: usize = 4 * FEW;
        // From as high as each, down to nothing, and up again.
        for high in 0..MOST {
            let mut memberships = Memberships::default();
            let mut held = Vec::new();
            let downs = (0..high).map(|_| false);
            let moves = (0..high).map(|_| true).chain(downs);
            for (number, up) in moves.chain((0..MOST).map(|_| true)).enumerate() {
                if up {
                    let (hash, order) = (number as u64 % 3, number as u64 % 4);
                    memberships.push(Arc::new(Place { hash, order }));
                    held.push((hash, order));
                } else {
                    let popped = memberships.pop().map(|it| it.place().indexed());
                    assert_eq!(popped, held.pop());
                }
                assert_eq!(memberships.is_empty(), held.is_empty());
                for hash in 0..3 {
                    let orders = memberships.orders_under(std::ptr::null(), hash);
                    let mut under = held.iter().filter(|it| it.0 == hash);
                    assert!(under.all(|(_, order)| orders.contains(order)));
                }
            }
            let mut left = Vec::new();
            memberships.leave_each(|it| left.push(it.place().indexed()));
            held.reverse();
            assert_eq!(left, held);
        }
    }

    #[test]
    fn takes_no_more_memory_than_a_pointer() {
        assert_eq!(size_of::<Memberships>(), size_of::<Arc<dyn Send>>());
    }
}
