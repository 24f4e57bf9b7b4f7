//! The places in registries that a connection holds until it is unwound.

use std::sync::{Arc, Weak};

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

/// One is the rule, and takes no allocation.
#[derive(Default)]
pub(super) struct Memberships {
    first: Option<Membership>,
    others: Vec<Membership>,
}

impl Memberships {
    fn push(&mut self, membership: Membership) {
        if self.first.is_none() {
            self.first = Some(membership);
        } else {
            self.others.push(membership);
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Membership> {
        self.first.iter().chain(&self.others)
    }

    fn remove(&mut self, registry: &Weak<dyn Registrar>, place: Place) -> Option<Membership> {
        let is_it = |held: &mut Membership| {
            held.place == place && std::ptr::addr_eq(Arc::as_ptr(&held.registry), registry.as_ptr())
        };
        self.first.take_if(is_it).or_else(|| {
            let position = self.others.iter_mut().position(is_it)?;
            Some(self.others.remove(position))
        })
    }

    /// The newest first.
    pub(super) fn into_newest_first(self) -> impl Iterator<Item = Membership> {
        self.first.into_iter().chain(self.others).rev()
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

    /// Gives a place in a registry back before the end.
    pub(crate) fn withdraw(&self, registry: &Weak<dyn Registrar>, place: Place) {
        let withdrawn = lock(&self.parts).memberships.remove(registry, place);
        // Else whoever unwinds leaves it.
        if let Some(withdrawn) = withdrawn {
            self.contain(|| withdrawn.leave(self));
        }
    }
}
