//! A log of items by topic.

use std::pin::Pin;

use futures_core::Stream;
use hangup::topic::Cursor;

use super::{Answer, EngineError};

/// A bounded log of items, with a place for each. What is kept is up to the engine.
///
/// The name of a topic is a [name](super::Claims) without dots.
pub trait Log: Send + Sync + 'static {
    /// Appends `item` to `topic`, and returns its cursor. The cursors of a topic ascend.
    ///
    /// `id` names this item. If the outcome is [unknown](EngineError::Unknown) and it is published
    /// again under the same `id`, an engine that remembers ids appends it once.
    fn publish<'a>(&'a self, topic: &'a str, id: &'a str, item: Vec<u8>) -> Answer<'a, Cursor>;

    /// The cursor behind all that `topic` has now: that of its last item, or one before the first
    /// item that it may get. Never one before what was acknowledged or delivered.
    fn end<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor>;

    /// Reads `topic` from behind `after` on: what it has, then what it gets, without an end.
    ///
    /// If some of the items after `after` are not there any more, or the log has another
    /// incarnation than `after`, the first event is [`LogEvent::Gap`].
    fn read<'a>(&'a self, topic: &'a str, after: Cursor) -> Answer<'a, LogStream>;

    /// The cursor before the oldest item that `topic` still has, or [`end`](Self::end) if it has
    /// none: [`read`](Self::read) behind it has no gap.
    fn start<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor>;
}

/// What a log holds for a reader. After an error the reader reads anew, behind the last cursor
/// that it has.
pub type LogStream = Pin<Box<dyn Stream<Item = Result<LogEvent, EngineError>> + Send>>;

/// An event of a [`LogStream`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogEvent {
    /// An item.
    Item(Cursor, Vec<u8>),
    /// Items up to this cursor are missing, or the log is in another incarnation, which begins
    /// behind it. What follows comes after it.
    Gap(Cursor),
}
