//! The name of a registry, under which it tells its keys.

use std::fmt::Debug;

use crate::lifecycle::Name;

pub(super) struct Named<K> {
    pub(super) name: Name,
    /// Writes a key. User code.
    pub(super) write: fn(&K) -> String,
}

impl<K: Debug> Named<K> {
    pub(super) fn new(name: Name) -> Self {
        Self {
            name,
            write: |key| format!("{key:?}"),
        }
    }
}
