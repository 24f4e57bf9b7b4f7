//! The places in registries that a connection holds until it is unwound.

use std::sync::Arc;

use super::Lifecycle;
use crate::sync::lock;
use crate::word::Behind;

/// A registry, seen by those who do not know its keys.
pub(crate) trait Registrar: Send + Sync {
    /// Gives back the place that was taken for `lifecycle`.
    fn vacate(&self, place: Place, lifecycle: &Lifecycle);
}

/// Which place it is, in its registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Of the key, in this registry: another one hashes it to something else.
    pub(crate) hash: u64,
    /// When it was taken, among those with this hash and more.
    pub(crate) order: u64,
}

/// A place, held until the connection has settled. It keeps the registry, so that its
/// hooks balance.
pub(crate) struct Membership {
    pub(crate) registry: Arc<dyn Registrar>,
    pub(crate) place: Place,
}

/// Newest on top. One is the rule, and takes no allocation.
#[derive(Default)]
pub(super) struct Memberships(Option<Held>);

struct Held {
    membership: Membership,
    below: Option<Box<Self>>,
}

impl Memberships {
    fn push(&mut self, membership: Membership) {
        let below = self.0.take().map(Box::new);
        self.0 = Some(Held { membership, below });
    }

    pub(super) fn pop(&mut self) -> Option<Membership> {
        let Held { membership, below } = self.0.take()?;
        self.0 = below.map(|below| *below);
        Some(membership)
    }

    fn iter(&self) -> impl Iterator<Item = &Membership> {
        let held = std::iter::successors(self.0.as_ref(), |held| held.below.as_deref());
        held.map(|held| &held.membership)
    }
}

impl Membership {
    pub(super) fn leave(self, lifecycle: &Lifecycle) {
        self.registry.vacate(self.place, lifecycle);
    }
}

impl Lifecycle {
    /// Keeps a place in a registry; or gives it back, if nobody else would any more.
    pub(crate) fn add_membership(&self, membership: Membership) {
        let mut parts = self.fill_parts();
        if !parts.unwound {
            parts.memberships.push(membership);
            return;
        }
        drop(parts);
        membership.leave(self);
    }

    /// Whether it holds a place under a key with this hash. For its owner.
    pub(crate) fn has_hash(&self, hash: u64) -> bool {
        if self.word.load().behind() == Behind::Nothing {
            return false;
        }
        let parts = lock(&self.parts);
        parts.memberships.iter().any(|held| held.place.hash == hash)
    }

    /// Gives the newest place back before the end.
    pub(crate) fn withdraw(&self) {
        let withdrawn = lock(&self.parts).memberships.pop();
        // Else whoever unwinds leaves it.
        if let Some(withdrawn) = withdrawn {
            self.contain(|| withdrawn.leave(self));
        }
    }
}
