//! What a subscriber has missed.

use std::fmt;

use super::cursor::Cursor;

/// A subscriber fell out of the log: items that were published after [`from`](Self::from),
/// [`to`](Self::to) the last of them, are missing.
///
/// Of the items in this range, those that the subscription still yields are there, and all
/// others are lost; the one at `to` is lost for certain, or the log itself began behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Gap {
    /// The last place up to which nothing is missing.
    pub from: Cursor,
    /// The last place that is missing.
    pub to: Cursor,
    /// The place that a client which has been told of the gap resumes after: send it as the
    /// event's `id`.
    ///
    /// Mostly it is [`to`](Self::to). While items before `to` are still to be yielded, from
    /// another [lane](super::Lane), it is [`from`](Self::from): a client that resumes there gets
    /// these items, and is told of the gap again.
    pub resume: Cursor,
}

impl Gap {
    /// The reader came with a cursor ahead of the log, which the log has not given.
    pub(super) fn is_backward(&self) -> bool {
        self.from.incarnation() == self.to.incarnation() && self.from.number() > self.to.number()
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "items are missing after {}, up to {}",
            self.from, self.to
        )
    }
}

impl std::error::Error for Gap {}
