//! Where items come from that the log has no more.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;

use super::cursor::Cursor;
use super::gap::Gap;

/// The items that fill a [`Gap`], each with its cursor: those after
/// [`from`](Gap::from) up to [`to`](Gap::to), in their order. Also those that the log still has,
/// since it may have lost them before their turn; what a source leaves out comes from the log if
/// it has it then. An item whose number is not after the one before it is dropped.
///
/// That it ends says that it was all. After an error the rest of the gap is told to the
/// subscriber.
pub type BackfillStream<T> = Pin<Box<dyn Stream<Item = Result<(Cursor, T), BackfillError>> + Send>>;

/// The source of a [backfill](super::TopicBuilder::backfill) has not what is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, thiserror::Error)]
#[error("the backfill has not what is missing")]
pub struct BackfillError;

pub(super) type Backfill<T> = Arc<dyn Fn(Gap) -> BackfillStream<T> + Send + Sync>;

/// A gap that is being filled.
pub(super) struct Filling<T> {
    // Never locked: it makes the stream `Sync`.
    source: Mutex<BackfillStream<T>>,
    gap: Gap,
    /// The last item that was yielded.
    last: Cursor,
    /// What the source gave, and what the log still has comes before it.
    held: Option<(Cursor, T)>,
}

pub(super) enum Filled<T> {
    Item(Cursor, T),
    /// Nothing is missing up to the end of the gap.
    Whole,
    /// The [rest](Filling::rest) is still missing.
    Failed,
}

impl<T> Filling<T> {
    pub(super) fn new(source: BackfillStream<T>, gap: Gap) -> Self {
        Self {
            source: Mutex::new(source),
            gap,
            last: gap.from,
            held: None,
        }
    }

    pub(super) fn to(&self) -> Cursor {
        self.gap.to
    }

    /// The last place that was filled, or that before the gap.
    pub(super) fn last(&self) -> Cursor {
        self.last
    }

    /// Whether the log still has some of the items in the gap, or had when it was found.
    pub(super) fn is_over_kept(&self) -> bool {
        self.gap.resume != self.gap.to
    }

    /// What is missing after all that was yielded. `is_last` if the log has no item in it.
    pub(super) fn rest(&self, is_last: bool) -> Gap {
        Gap {
            from: self.last,
            to: self.gap.to,
            resume: if is_last { self.gap.to } else { self.last },
        }
    }

    /// An item of the log is yielded before this one, or in its place.
    pub(super) fn put_back(&mut self, kept: Cursor, filled: (Cursor, T)) {
        self.last = kept;
        self.held = Some(filled);
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Filled<T>> {
        loop {
            let source = self.source.get_mut();
            let source = source.unwrap_or_else(PoisonError::into_inner);
            let polled = match self.held.take() {
                Some(held) => Poll::Ready(Some(Ok(held))),
                None => source.as_mut().poll_next(cx),
            };
            let (cursor, item) = match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Filled::Whole),
                // It gave all before it failed.
                Poll::Ready(Some(Err(BackfillError))) if self.last == self.gap.to => {
                    return Poll::Ready(Filled::Whole);
                }
                Poll::Ready(Some(Err(BackfillError))) => {
                    return Poll::Ready(Filled::Failed);
                }
                Poll::Ready(Some(Ok(filled))) => filled,
            };
            let is_known = |known: Cursor| {
                cursor.incarnation() == known.incarnation() && cursor.number() <= known.number()
            };
            let is_in_log = cursor.incarnation() == self.to().incarnation() && !is_known(self.to());
            if is_in_log {
                return Poll::Ready(Filled::Whole);
            }
            if !is_known(self.last) {
                self.last = cursor;
                return Poll::Ready(Filled::Item(cursor, item));
            }
        }
    }
}
