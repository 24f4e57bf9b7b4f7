//! A log that is published to.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::builder::{Plan, TopicBuilder};
use super::cursor::Cursor;
use super::error::{BuildTopicError, PublishError};
use super::replay::Replay;
use super::retention::{Lane, Retention};
use super::shared::Shared;
use super::subscription::Subscription;
use crate::state::CloseReason;
use crate::sync::lock;

/// A bounded log that many connections read: what is published is kept for a while, and every
/// [subscription](Subscription) is a place in it.
///
/// So backlog and live items are one sequence: nothing is lost, doubled or out of order where
/// they meet. A subscriber that is too slow for what is [retained](Retention) is told what it
/// has missed, and delays no other one.
///
/// Cheap to clone; all clones are the same topic. When the last clone is dropped, the
/// subscriptions end, after what was published before.
///
/// # Examples
///
/// ```
/// # use futures::{StreamExt, executor::block_on};
/// use hangup::topic::{Replay, Retention, Topic};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let topic = Topic::new(Retention::items(100));
/// let first = topic.publish("first")?;
/// let events = topic.subscribe(Replay::All);
/// topic.publish("second")?;
/// drop(topic);
/// let events: Vec<_> = block_on(events.map(Result::unwrap).collect());
/// assert_eq!(events[0].cursor(), first);
/// assert_eq!(*events[1], "second");
/// # Ok(())
/// # }
/// ```
#[must_use = "to drop the last clone ends the topic"]
pub struct Topic<T> {
    publisher: Arc<Publisher<T>>,
}

struct Publisher<T> {
    shared: Arc<Shared<T>>,
    plan: Plan<T>,
}

impl<T> Topic<T> {
    /// A topic with one lane, that keeps so much.
    ///
    /// # Panics
    ///
    /// If `retention` is limited in bytes, or if it is limited by age and this thread is in no
    /// [runtime](crate::runtime): a [builder](Self::builder) returns an error instead.
    pub fn new(retention: Retention) -> Self {
        match Self::builder(retention).build() {
            Ok(topic) => topic,
            Err(error) => panic!("{error}"),
        }
    }

    /// A builder of a topic whose [default lane](Lane::default) keeps so much.
    pub fn builder(retention: Retention) -> TopicBuilder<T> {
        TopicBuilder::new(retention)
    }

    /// Publishes into the [default lane](Lane::default), and wakes the subscribers. A waker that
    /// panics stops no other one, and its panic does not reach the caller.
    ///
    /// # Errors
    ///
    /// [`PublishError::Closed`], or [`PublishError::TooLarge`] for more bytes than are kept.
    pub fn publish(&self, item: T) -> Result<Cursor, PublishError> {
        self.publish_in(Lane::default(), item)
    }

    /// Publishes into `lane`.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish), and [`PublishError::NoLane`].
    pub fn publish_in(&self, lane: Lane, item: T) -> Result<Cursor, PublishError> {
        let size = self.publisher.plan.size(&item);
        let shared = &self.publisher.shared;
        shared.publish(lane, None, size, |_| item)
    }

    /// Publishes what `make`, which runs under the lock, makes of its cursor (I8).
    #[cfg(feature = "http-body")]
    pub(super) fn publish_with(
        &self,
        lane: Lane,
        size: usize,
        make: impl FnOnce(Cursor) -> T,
    ) -> Result<Cursor, PublishError> {
        let Publisher { shared, plan } = &*self.publisher;
        shared.publish(lane, None, plan.size_of(size), make)
    }

    /// Appends an item that has its cursor already, from an engine or another node.
    ///
    /// Cursors ascend; they need not be contiguous.
    ///
    /// # Errors
    ///
    /// As [`publish_in`](Self::publish_in); [`PublishError::NotAfter`] for an item that is here
    /// already, or whose place has passed; [`PublishError::OtherIncarnation`], after which a
    /// [`reset`](Self::reset) is due.
    pub fn append_at(&self, lane: Lane, cursor: Cursor, item: T) -> Result<Cursor, PublishError> {
        let size = self.publisher.plan.size(&item);
        let shared = &self.publisher.shared;
        shared.publish(lane, Some(cursor), size, |_| item)
    }

    /// Forgets all items and begins anew behind `start`: when the engine that feeds the topic
    /// has another incarnation, or items of it were missed. Subscribers are told of the gap.
    ///
    /// # Errors
    ///
    /// [`PublishError::Closed`], and [`PublishError::NotAfter`] for a start before the last cursor of the same incarnation:
    /// the numbers between were given already.
    pub fn reset(&self, start: Cursor) -> Result<(), PublishError> {
        self.publisher.shared.reset(start)
    }

    /// Subscribes from a place in the log on. Also after the close: the subscription ends after
    /// what is retained.
    pub fn subscribe(&self, replay: Replay) -> Subscription<T> {
        let shared = &self.publisher.shared;
        // What is too old is not replayed.
        shared.expire_as_told();
        Subscription::new(Arc::clone(shared), replay)
    }

    /// Closes the topic: nothing is published any more, and each subscription ends after what
    /// was published before, or closes its
    /// [connection](Subscription::for_connection) for `reason` then. Returns whether this call
    /// closed it.
    ///
    /// A reader that does not read does not come to the end: a
    /// [stall deadline](crate::Deadlines::stall) ends its connection.
    pub fn close(&self, reason: CloseReason) -> bool {
        self.publisher.shared.close(reason)
    }

    /// Drops what is too old at `now`.
    ///
    /// To publish and to subscribe do this as well, if a runtime tells the time: this is for
    /// topics that are idle, and for [time that is told by hand](TopicBuilder::expired_by_hand).
    pub fn expire(&self, now: Instant) {
        self.publisher.shared.expire(now);
    }

    /// The place behind all that was published so far.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        lock(&self.publisher.shared.state).log.end()
    }

    /// How many items are retained.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.publisher.shared.state).log.len()
    }

    /// Whether nothing is retained.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        lock(&self.publisher.shared.state).log.is_empty()
    }

    /// How many bytes are retained, as the [size function](TopicBuilder::size) counts them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        lock(&self.publisher.shared.state).log.bytes()
    }

    /// How many subscriptions there are.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        lock(&self.publisher.shared.state).subscribers
    }
}

impl<T> TopicBuilder<T> {
    /// Builds it.
    ///
    /// # Errors
    ///
    /// [`BuildTopicError::NoSize`] for a limit in bytes without a [size function](Self::size),
    /// [`BuildTopicError::NoRuntime`] if it takes a runtime and there is none.
    pub fn build(self) -> Result<Topic<T>, BuildTopicError> {
        let plan = self.plan()?;
        let shared = plan.topic(plan.start(), None);
        let publisher = Arc::new(Publisher { shared, plan });
        Ok(Topic { publisher })
    }
}

impl<T> Clone for Topic<T> {
    fn clone(&self) -> Self {
        Self {
            publisher: Arc::clone(&self.publisher),
        }
    }
}

impl<T> Drop for Publisher<T> {
    fn drop(&mut self) {
        self.shared.close(CloseReason::Completed);
    }
}

impl<T> fmt::Debug for Topic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic")
            .field("cursor", &self.cursor())
            .field("len", &self.len())
            .field("subscribers", &self.subscribers())
            .finish_non_exhaustive()
    }
}
