//! One connection's place under one key.

use crate::handle::Handle;
use crate::state::Closed;

/// It holds the only copy of the key.
pub(super) struct Seat<K, V> {
    /// When it was taken, among those in its shard.
    pub(super) order: u64,
    /// The order of the first one in its group: that is gone when its last one is, and
    /// then another group comes.
    pub(super) group: u64,
    pub(super) key: K,
    pub(super) value: V,
    pub(super) handle: Handle,
}

impl<K, V> Seat<K, V> {
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
