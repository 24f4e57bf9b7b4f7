//! An item in the log.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use super::cursor::Cursor;

/// An item of a [`Topic`](super::Topic), shared by the log and all its subscribers: reading
/// one copies nothing.
///
/// It dereferences to the item.
pub struct Published<T>(Arc<Entry<T>>);

pub(super) struct Entry<T> {
    pub(super) cursor: Cursor,
    /// When it was published, if its lane limits ages.
    pub(super) at: Option<Instant>,
    pub(super) size: usize,
    pub(super) item: T,
}

impl<T> Published<T> {
    pub(super) fn new(entry: Entry<T>) -> Self {
        Self(Arc::new(entry))
    }

    pub(super) fn entry(&self) -> &Entry<T> {
        &self.0
    }

    /// Where it is in the log: the `id` of the event that is made of it.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.0.cursor
    }

    /// The item itself, cloned if others still share it.
    #[must_use]
    pub fn into_inner(self) -> T
    where
        T: Clone,
    {
        match Arc::try_unwrap(self.0) {
            Ok(entry) => entry.item,
            Err(shared) => shared.item.clone(),
        }
    }
}

impl<T> Clone for Published<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Published<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.item
    }
}

impl<T: fmt::Debug> fmt::Debug for Published<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published")
            .field("cursor", &self.0.cursor)
            .field("item", &self.0.item)
            .finish()
    }
}
