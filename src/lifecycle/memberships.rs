//! The slots in registries that a connection holds until it is unwound.

use std::sync::Arc;

/// A registry whose key type is not known.
pub(crate) trait DynRegistry: Send + Sync {
    /// Removes the slot at `place`.
    fn remove(&self, place: Place);
}

/// Identifies a slot in its registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The hash of the key, by the hasher of this registry.
    pub(crate) hash: u64,
    /// The number of the slot in its shard, which no other slot of the shard ever has.
    pub(crate) order: u64,
}

/// A slot that is held until the connection has settled. It keeps the registry alive, so
/// that the calls of its hooks balance.
pub(crate) struct Membership {
    pub(crate) registry: Arc<dyn DynRegistry>,
    pub(crate) place: Place,
}

impl Membership {
    pub(crate) fn leave(self) {
        self.registry.remove(self.place);
    }
}

/// A stack, newest on top. A single membership, which is the common case, takes no
/// allocation.
#[derive(Default)]
pub(super) struct Memberships(Option<Held>);

struct Held {
    membership: Membership,
    below: Option<Box<Self>>,
}

impl Memberships {
    pub(super) fn push(&mut self, membership: Membership) {
        let below = self.0.take().map(Box::new);
        self.0 = Some(Held { membership, below });
    }

    pub(super) fn pop(&mut self) -> Option<Membership> {
        let Held { membership, below } = self.0.take()?;
        self.0 = below.map(|below| *below);
        Some(membership)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Membership> {
        let held = std::iter::successors(self.0.as_ref(), |held| held.below.as_deref());
        held.map(|held| &held.membership)
    }
}
