//! The result of a lookup.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::slot::Slot;
use crate::lifecycle::Handle;

/// A live member of a [`Registry`](super::Registry), as a lookup found it.
///
/// Derefs to the value. A member keeps its value and the registry alive, but not its
/// connection, which may close at any time.
pub struct Member<V> {
    slot: Arc<dyn DynSlot<V>>,
}

/// A slot whose key type is not known.
trait DynSlot<V>: Send + Sync {
    fn value(&self) -> &V;
    fn handle(&self) -> &Handle;
}

impl<K, V, R> DynSlot<V> for Slot<K, V, R>
where
    K: Send + Sync,
    V: Send + Sync,
    R: Send + Sync,
{
    fn value(&self) -> &V {
        &self.value
    }

    fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl<V> Member<V> {
    pub(super) fn new<K, R>(slot: Arc<Slot<K, V, R>>) -> Self
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
        R: Send + Sync + 'static,
    {
        Self { slot }
    }

    /// A handle to the connection.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        self.slot.handle()
    }
}

impl<V> Deref for Member<V> {
    type Target = V;

    fn deref(&self) -> &V {
        self.slot.value()
    }
}

impl<V> Clone for Member<V> {
    fn clone(&self) -> Self {
        Self {
            slot: Arc::clone(&self.slot),
        }
    }
}

impl<V: fmt::Debug> fmt::Debug for Member<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("value", self.slot.value())
            .field("handle", self.slot.handle())
            .finish()
    }
}
