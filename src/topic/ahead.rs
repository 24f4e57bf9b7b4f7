//! What a reader has taken and has not yielded yet.

use super::backfill::Filling;
use super::cursor::Cursor;
use super::log::{Log, Position};
use super::published::Published;

/// How many items a reader that is behind takes under one lock.
const BATCH: usize = 16;

pub(super) enum Ahead<T> {
    Batch(Box<Batch<T>>),
    Filling(Filling<T>),
}

impl<T> Ahead<T> {
    /// The place of the last item that was yielded, of a reader in this incarnation.
    pub(super) fn last(&self, incarnation: u64) -> Cursor {
        match self {
            Self::Batch(batch) => Cursor::new(incarnation, batch.yielded),
            Self::Filling(filling) => filling.last(),
        }
    }
}

pub(super) struct Batch<T> {
    items: [Option<Published<T>>; BATCH - 1],
    next: usize,
    /// The number of the last item that was yielded.
    yielded: u64,
}

impl<T> Batch<T> {
    /// Takes what comes after the item that is yielded now, under the lock that the caller holds.
    pub(super) fn take(log: &Log<T>, position: &mut Position) -> Self {
        let mut items = [const { None }; BATCH - 1];
        let yielded = position.number;
        log.read_batch(position, &mut items);
        Self {
            items,
            next: 0,
            yielded,
        }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<Published<T>> {
        let item = self.items.get_mut(self.next)?.take()?;
        self.next += 1;
        self.yielded = item.cursor().number();
        Some(item)
    }
}
