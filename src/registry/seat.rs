//! One connection's place under one key.

use std::hash::Hash;
use std::sync::Arc;

use super::Shared;
use crate::handle::Handle;
use crate::lifecycle::Membership;
use crate::state::Closed;

/// It holds the only copy of the key.
pub(super) struct Seat<K, V> {
    /// A registry lasts until its last seat is given back, so that its hooks balance.
    registry: Arc<Shared<K, V>>,
    /// Of the key, so that nothing of the user's runs when the seat is given back.
    pub(super) hash: u64,
    /// When it was taken, among those in its shard.
    pub(super) order: u64,
    pub(super) key: K,
    pub(super) value: V,
    pub(super) handle: Handle,
}

impl<K, V> Seat<K, V> {
    pub(super) fn new(
        registry: &Arc<Shared<K, V>>,
        hash: u64,
        key: K,
        value: V,
        handle: Handle,
    ) -> Self {
        Self {
            registry: Arc::clone(registry),
            hash,
            order: 0,
            key,
            value,
            handle,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.handle.lifecycle().is_live()
    }

    pub(super) fn is_open(&self) -> bool {
        self.closed().is_none()
    }

    pub(super) fn closed(&self) -> Option<Closed> {
        self.handle.lifecycle().closed()
    }
}

impl<K, V> Membership for Seat<K, V>
where
    K: Hash + Eq + Send + Sync,
    V: Send + Sync,
{
    fn leave(self: Arc<Self>) {
        self.registry.vacate(&self);
    }

    fn hash(&self) -> u64 {
        self.hash
    }
}
