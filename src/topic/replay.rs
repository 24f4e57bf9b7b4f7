//! Where a subscription starts.

use super::cursor::Cursor;

/// Where a [subscription](super::Subscription) starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Replay {
    /// With what is published from now on.
    Now,
    /// With all that is retained. What was lost before is no [gap](super::Gap).
    All,
    /// With what was published after this cursor: a [gap](super::Gap) comes first if some of it
    /// is not retained any more.
    ///
    /// For a cursor of another incarnation that is a gap and then all that is retained. A cursor
    /// ahead of the log, which the log has not given, is a gap as well: one up to the end of the
    /// log, where the subscription goes on. A topic that is [fed](super::TopicBuilder::fed) may be
    /// behind another node, and waits for what comes after it.
    After(Cursor),
}

impl Replay {
    /// After the `Last-Event-ID` that a client sent; `otherwise` if it sent none, or one that
    /// no topic has ever printed.
    ///
    /// To refuse such a client, [parse](Cursor::parse) the id.
    ///
    /// # Examples
    ///
    /// ```
    /// use hangup::topic::{Cursor, Replay};
    ///
    /// let cursor = Cursor::new(7, 42);
    /// let resumed = Replay::resume(Some(cursor.to_string()), Replay::All);
    /// assert_eq!(resumed, Replay::After(cursor));
    /// assert_eq!(Replay::resume(Some("garbage"), Replay::Now), Replay::Now);
    /// assert_eq!(Replay::resume(None::<&str>, Replay::All), Replay::All);
    /// ```
    #[must_use]
    pub fn resume(last_event_id: Option<impl AsRef<[u8]>>, otherwise: Self) -> Self {
        match last_event_id.map(Cursor::parse) {
            Some(Ok(cursor)) => Self::After(cursor),
            Some(Err(_)) | None => otherwise,
        }
    }
}
