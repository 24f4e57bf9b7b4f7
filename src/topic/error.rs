//! How the calls of a topic fail.

use crate::runtime::NoRuntime;
use crate::state::CloseReason;

use super::cursor::Cursor;

/// Why an item was not published. Nothing of it is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic has been closed.
    #[error("the topic is closed: {0}")]
    Closed(CloseReason),
    /// The item alone is larger than all that its lane keeps.
    #[error("an item of {size} bytes, in a lane of {limit}")]
    TooLarge {
        /// The item's size in bytes.
        size: usize,
        /// The lane's limit in bytes.
        limit: usize,
    },
    /// The topic has no such lane.
    #[error("no such lane")]
    NoLane,
    /// The cursor is not behind the last one, so the item is in the log already, or its place
    /// has passed.
    #[error("the cursor is not after {last}")]
    NotAfter {
        /// The last cursor of the log.
        last: Cursor,
    },
    /// The cursor is of another incarnation than the log.
    #[error("the log is of another incarnation")]
    OtherIncarnation,
    /// The [`Topics`](super::Topics) are as many as they may be.
    #[error("too many topics")]
    TooManyTopics,
}

/// Why there is no subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The [`Topics`](super::Topics) are as many as they may be.
    #[error("too many topics")]
    TooManyTopics,
}

/// Why a topic cannot be built as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildTopicError {
    /// There is no runtime to hand wake-ups to, or to read the time of.
    #[error(transparent)]
    NoRuntime(#[from] NoRuntime),
    /// A lane is limited in bytes, and the topic was not told how to count them.
    #[error("a limit in bytes, and no size function")]
    NoSize,
}

impl From<SubscribeError> for PublishError {
    fn from(error: SubscribeError) -> Self {
        match error {
            SubscribeError::TooManyTopics => Self::TooManyTopics,
        }
    }
}
