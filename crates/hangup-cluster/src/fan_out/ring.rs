//! What a node keeps of a topic: the last items, decoded.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use hangup::runtime::Runtime;
use hangup::topic::{Cursor, Published, Retention, Topic};

use crate::contain::contain;

pub(super) type Decode<T> = Arc<dyn Fn(Cursor, &[u8]) -> T + Send + Sync>;

/// An item in the ring.
pub(super) struct Entry<T> {
    /// The bytes that it has in the engine.
    size: usize,
    /// `None` if it cannot be decoded.
    item: Option<T>,
}

pub(super) type Ring<T> = Topic<Entry<T>>;

/// How rings are made, and what goes in.
pub(super) struct RingPlan<T> {
    pub(super) retention: Retention,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) decode: Decode<T>,
}

impl<T> RingPlan<T> {
    /// A ring that is fed with what comes behind `start`.
    pub(super) fn begin(&self, start: Cursor) -> Ring<T> {
        let builder = Topic::builder(self.retention)
            .size(|entry: &Entry<T>| entry.size)
            .runtime(Arc::clone(&self.runtime))
            .fed(start);
        match builder.build() {
            Ok(ring) => ring,
            Err(error) => unreachable!("it has a size and a runtime: {error}"),
        }
    }

    /// `None` if the decoder panics.
    pub(super) fn decode(&self, cursor: Cursor, bytes: &[u8]) -> Option<T> {
        contain(|| (self.decode)(cursor, bytes))
    }

    pub(super) fn entry(&self, cursor: Cursor, bytes: &[u8]) -> Entry<T> {
        Entry {
            size: bytes.len(),
            item: self.decode(cursor, bytes),
        }
    }
}

/// An event of a topic. It dereferences to what the decoder made.
///
/// Cheap to clone: it is shared by the subscribers of the node.
pub struct Event<T>(Held<T>);

enum Held<T> {
    /// Its entry has an item.
    OfRing(Published<Entry<T>>),
    Own(Arc<(Cursor, T)>),
}

impl<T> Event<T> {
    /// `None` for an entry that cannot be decoded.
    pub(super) fn of_ring(published: Published<Entry<T>>) -> Option<Self> {
        let is_decoded = published.item.is_some();
        is_decoded.then_some(Self(Held::OfRing(published)))
    }

    /// An event that is read for one subscriber alone.
    pub(super) fn own(cursor: Cursor, item: T) -> Self {
        Self(Held::Own(Arc::new((cursor, item))))
    }

    /// Where it is in the log: the `id` of the event that a client gets.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        match &self.0 {
            Held::OfRing(published) => published.cursor(),
            Held::Own(own) => own.0,
        }
    }
}

impl<T> Deref for Event<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Held::OfRing(published) => match &published.item {
                Some(item) => item,
                None => unreachable!("an event is made of an entry with an item"),
            },
            Held::Own(own) => &own.1,
        }
    }
}

impl<T> Clone for Event<T> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Held::OfRing(published) => Held::OfRing(published.clone()),
            Held::Own(own) => Held::Own(Arc::clone(own)),
        })
    }
}

impl<T: fmt::Debug> fmt::Debug for Event<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("cursor", &self.cursor())
            .field("item", &**self)
            .finish()
    }
}
