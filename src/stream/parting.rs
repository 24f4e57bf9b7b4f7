//! What a stream or a body says after a close.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::lifecycle::{End, Lifecycle};
use crate::state::{CloseReason, Closed};

/// The last item of a stream, or the last frame of a body, if there is to be one.
///
/// The closure is in a `Mutex`, which is never locked, to be `Sync`.
pub(super) struct Farewell<T>(Mutex<Option<Say<T>>>);

type Say<T> = Box<dyn FnOnce(End) -> Option<T> + Send>;

impl<T> Default for Farewell<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Farewell<T> {
    pub(super) fn new(say: impl FnOnce(End) -> Option<T> + Send + 'static) -> Self {
        Self(Mutex::new(Some(Box::new(say))))
    }

    pub(super) fn is_some(&self) -> bool {
        // A poisoned lock cannot be: no code panics under it.
        self.0.lock().is_ok_and(|say| say.is_some())
    }

    fn take(&mut self) -> Option<Say<T>> {
        let say = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        say.take()
    }

    /// No farewell follows what was sent.
    pub(super) fn cancel(&mut self) {
        drop(self.take());
    }

    /// After a close from elsewhere: a connection that has completed has said all.
    pub(super) fn say(&mut self, lifecycle: &Lifecycle, closed: Closed) -> Option<T> {
        let say = self.take()?;
        match closed.reason {
            CloseReason::Completed => None,
            _ => say(lifecycle.end(closed)),
        }
    }
}

impl<T> fmt::Debug for Farewell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Farewell").field(&self.is_some()).finish()
    }
}
