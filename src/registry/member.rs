//! What a lookup finds.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::seat::Seat;
use crate::handle::Handle;

/// A live member of a [`Registry`](super::Registry), as a lookup found it.
///
/// Derefs to the value. Keeping it keeps the value, not the connection, which may
/// close at any time.
pub struct Member<V> {
    seat: Arc<dyn Seated<V>>,
}

/// A seat, seen by those who do not know its key.
trait Seated<V>: Send + Sync {
    fn value(&self) -> &V;
    fn handle(&self) -> &Handle;
}

impl<K, V> Seated<V> for Seat<K, V>
where
    K: Send + Sync,
    V: Send + Sync,
{
    fn value(&self) -> &V {
        &self.value
    }

    fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl<V> Member<V> {
    pub(super) fn new<K>(seat: Arc<Seat<K, V>>) -> Self
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        Self { seat }
    }

    /// A handle to the connection.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        self.seat.handle()
    }
}

impl<V> Deref for Member<V> {
    type Target = V;

    fn deref(&self) -> &V {
        self.seat.value()
    }
}

impl<V> Clone for Member<V> {
    fn clone(&self) -> Self {
        Self {
            seat: Arc::clone(&self.seat),
        }
    }
}

impl<V: fmt::Debug> fmt::Debug for Member<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("value", self.seat.value())
            .field("handle", self.seat.handle())
            .finish()
    }
}
