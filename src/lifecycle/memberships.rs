//! The slots in registries that a connection holds until it is unwound.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::settled::UndoCounts;
use super::waits_for::Name;

/// A registry whose key type is not known.
pub(crate) trait DynRegistry: Send + Sync {
    /// Removes the slot at `place`.
    fn remove(&self, place: Place, exit: Exit);

    /// [Removes](Self::remove) the slots at `places`, of connections that have been unwound and
    /// are clean. User code runs within `contain`, which is told the index of its place.
    /// `indices` is memory for the call.
    fn remove_each(
        &self,
        places: &[Place],
        indices: &mut Vec<usize>,
        contain: &dyn Fn(usize, &mut dyn FnMut()),
    );

    /// The name of the registry, and the key of the slot at `place`, in words. `None` if the
    /// registry has no name, or the slot is gone. User code.
    fn key_at(&self, place: Place) -> Option<(Name, String)>;

    /// Shows the slot at `place` to look-ups again, if one has set it aside.
    fn bring_back(&self, place: Place);
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

/// A slot that is held until the connection has settled. It keeps the registry alive, so
/// that the calls of its hooks balance.
pub(crate) struct Membership {
    pub(crate) registry: Arc<dyn DynRegistry>,
    pub(crate) place: Place,
}

impl Membership {
    pub(crate) fn leave(self, exit: Exit) {
        self.registry.remove(self.place, exit);
    }
}

/// Up to this number, a search through the stack is quicker than an index.
const FEW: usize = 8;

/// A stack, newest on top. A single membership, which is the common case, takes no
/// allocation.
#[derive(Default)]
pub(super) struct Memberships(Option<Held>);

struct Held {
    membership: Membership,
    below: Option<Box<Below>>,
}

struct Below {
    top: Held,
    count: usize,
    /// All of these places, if they are not few.
    index: Option<Box<Index>>,
}

/// The hash and the order of places.
type Index = BTreeSet<(u64, u64)>;

impl Memberships {
    #[inline]
    pub(super) fn push(&mut self, membership: Membership) {
        if self.0.is_some() {
            return self.push_on_top(membership);
        }
        *self = Self::from(membership);
    }

    #[inline(never)]
    fn push_on_top(&mut self, membership: Membership) {
        let below = self.0.take().map(|top| Box::new(Below::new(top)));
        self.0 = Some(Held { membership, below });
    }

    pub(super) fn pop(&mut self) -> Option<Membership> {
        let Held { membership, below } = self.0.take()?;
        self.0 = below.map(|below| below.into_top());
        Some(membership)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The only one, or else all of them.
    #[inline]
    pub(super) fn into_only(self) -> Result<Membership, Self> {
        match self.0 {
            Some(Held {
                membership,
                below: None,
            }) => Ok(membership),
            held => Err(Self(held)),
        }
    }

    /// Calls `leave` with each of them, newest first. The index is not kept up.
    #[inline]
    pub(super) fn leave_each(self, mut leave: impl FnMut(Membership)) {
        let Some(Held { membership, below }) = self.0 else {
            return;
        };
        leave(membership);
        if let Some(below) = below {
            below.leave_each(leave);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Membership> {
        let held = std::iter::successors(self.0.as_ref(), |held| Some(&held.below.as_deref()?.top));
        held.map(|held| &held.membership)
    }

    /// The orders of the places with this hash, among them all of this registry.
    pub(super) fn orders_under(&self, registry: *const (), hash: u64) -> Vec<u64> {
        let top = self.0.as_ref();
        let index = top.and_then(|top| top.below.as_deref()?.index.as_deref());
        let mut orders = Vec::new();
        // Without an index there are few.
        for held in self.iter().take(if index.is_some() { 1 } else { FEW + 1 }) {
            if held.place.hash == hash && Arc::as_ptr(&held.registry).cast() == registry {
                orders.push(held.place.order);
            }
        }
        if let Some(index) = index {
            let indexed = index.range((hash, 0)..=(hash, u64::MAX));
            orders.extend(indexed.map(|(_, order)| *order));
        }
        orders
    }
}

impl From<Membership> for Memberships {
    fn from(membership: Membership) -> Self {
        let below = None;
        Self(Some(Held { membership, below }))
    }
}

impl Below {
    fn new(mut top: Held) -> Self {
        let below = top.below.as_deref_mut();
        let (count, index) = below.map_or((0, None), |below| (below.count, below.index.take()));
        let mut all = Self {
            top,
            count: count + 1,
            index,
        };
        if let Some(index) = &mut all.index {
            index.insert(all.top.membership.place.indexed());
        } else if all.count > FEW {
            let held =
                std::iter::successors(Some(&all.top), |held| Some(&held.below.as_deref()?.top));
            let places = held.map(|held| held.membership.place.indexed());
            all.index = Some(Box::new(places.collect()));
        }
        all
    }

    #[inline(never)]
    fn leave_each(self: Box<Self>, mut leave: impl FnMut(Membership)) {
        let mut next = Some(self);
        while let Some(below) = next {
            let Held { membership, below } = below.top;
            next = below;
            leave(membership);
        }
    }

    fn into_top(self) -> Held {
        let Self { mut top, index, .. } = self;
        if let (Some(mut index), Some(below)) = (index, &mut top.below) {
            index.remove(&top.membership.place.indexed());
            below.index = Some(index);
        }
        top
    }
}

impl Place {
    fn indexed(self) -> (u64, u64) {
        (self.hash, self.order)
    }
}
