//! What a stream or a body says after a close.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::lifecycle::{End, Lifecycle};
use crate::state::{CloseReason, Closed};

/// The last item of a stream, or the last frame of a body, if there is to be one.
pub(super) struct Farewell<T>(Option<Box<dyn Say<T> + Send + Sync>>);

/// A closure in a `Mutex`, which is never locked, to be `Sync`.
trait Say<T> {
    fn say(self: Box<Self>, end: End) -> Option<T>;
}

impl<T, F> Say<T> for Mutex<F>
where
    F: FnOnce(End) -> Option<T>,
{
    fn say(self: Box<Self>, end: End) -> Option<T> {
        let say = self.into_inner().unwrap_or_else(PoisonError::into_inner);
        say(end)
    }
}

impl<T> Default for Farewell<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Farewell<T> {
    pub(super) fn new(say: impl FnOnce(End) -> Option<T> + Send + 'static) -> Self {
        Self(Some(Box::new(Mutex::new(say))))
    }

    pub(super) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// No farewell follows what was sent.
    pub(super) fn cancel(&mut self) {
        self.0 = None;
    }

    /// After a close from elsewhere: a connection that has completed has said all.
    pub(super) fn say(&mut self, lifecycle: &Lifecycle, closed: Closed) -> Option<T> {
        let farewell = self.0.take()?;
        match closed.reason {
            CloseReason::Completed => None,
            _ => farewell.say(lifecycle.end(closed)),
        }
    }
}

impl<T> fmt::Debug for Farewell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Farewell").field(&self.is_some()).finish()
    }
}
