//! Where items come from that the log has no more.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;

use super::cursor::Cursor;
use super::gap::Gap;

/// The items that fill a [`Gap`], each with its cursor: those after
/// [`from`](Gap::from) up to [`to`](Gap::to), in their order.
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
    last: Cursor,
}

pub(super) enum Filled<T> {
    Item(Cursor, T),
    /// Nothing is missing up to the end of the gap.
    Whole,
    /// This is still missing.
    Rest(Gap),
}

impl<T> Filling<T> {
    pub(super) fn new(source: BackfillStream<T>, gap: Gap) -> Self {
        Self {
            source: Mutex::new(source),
            gap,
            last: gap.from,
        }
    }

    pub(super) fn to(&self) -> Cursor {
        self.gap.to
    }

    /// The last place that was filled, or that before the gap.
    pub(super) fn last(&self) -> Cursor {
        self.last
    }

    fn rest(&self) -> Gap {
        let is_next = self.gap.resume == self.gap.to;
        Gap {
            from: self.last,
            to: self.gap.to,
            resume: if is_next { self.gap.to } else { self.last },
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Filled<T>> {
        loop {
            let source = self.source.get_mut();
            let source = source.unwrap_or_else(PoisonError::into_inner);
            let (cursor, item) = match source.as_mut().poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Filled::Whole),
                Poll::Ready(Some(Err(BackfillError))) => {
                    return Poll::Ready(Filled::Rest(self.rest()));
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
