//! The entry of one connection under one key.

use std::sync::Arc;

use crate::lifecycle::{Handle, Standing};
use crate::state::Closed;

/// It holds the only copy of the key.
pub(super) struct Slot<K, V, R> {
    /// Its registry, which it keeps alive, so that the calls of the hooks balance.
    pub(super) registry: Arc<R>,
    /// Of the key, by the hasher of the registry.
    pub(super) hash: u64,
    /// A number that no other slot of the shard ever has. It ascends.
    pub(super) order: u64,
    /// Generation of the key: the order of the bucket's first slot. A key that empties and
    /// fills again gets a new one (ABA guard).
    pub(super) generation: u64,
    pub(super) key: K,
    pub(super) value: V,
    pub(super) handle: Handle,
}

impl<K, V, R> Slot<K, V, R> {
    #[inline]
    pub(super) fn is_live(&self) -> bool {
        self.handle.lifecycle().is_live()
    }

    pub(super) fn is_open(&self) -> bool {
        self.closed().is_none()
    }

    pub(super) fn closed(&self) -> Option<Closed> {
        self.handle.lifecycle().closed()
    }

    /// Asks the connection whether the slot may be set aside. It may, if the answer is
    /// [`Standing::InSetUp`].
    pub(super) fn set_aside(&self) -> Standing {
        self.handle.lifecycle().set_aside()
    }
}
