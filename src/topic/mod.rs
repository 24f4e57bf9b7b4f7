//! A log that many connections read: backlog and live items without a gap.
//!
//! A [`Topic`] keeps what was published for a while, and a [`Subscription`] is a place in it.
//! A client that comes back with the id of its last event goes on where it was, or is told
//! what it has missed.

mod cursor;
mod gap;
mod replay;
mod retention;
mod published;
mod error;
mod ring;
mod log;
mod waiting;
mod clock;
mod backfill;
mod shared;
mod subscription;
mod gap_as;
mod builder;
#[expect(clippy::module_inception, reason = "a topic is the idea of its file")]
mod topic;
mod keys;
mod topics;
#[cfg(feature = "http-body")]
mod sse_event;
#[cfg(feature = "http-body")]
mod event_body;

pub use backfill::{BackfillError, BackfillStream};
pub use builder::TopicBuilder;
pub use cursor::{Cursor, ParseCursorError};
pub use error::{BuildTopicError, PublishError, SubscribeError};
#[cfg(feature = "http-body")]
pub use event_body::EventBody;
pub use gap::Gap;
pub use gap_as::GapAs;
pub use published::Published;
pub use replay::Replay;
pub use retention::{Lane, Retention};
#[cfg(feature = "http-body")]
pub use sse_event::SseEvent;
pub use subscription::Subscription;
pub use topic::Topic;
pub use topics::{Topics, TopicsBuilder};
