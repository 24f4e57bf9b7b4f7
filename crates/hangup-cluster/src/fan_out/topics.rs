//! The topics of a node.

use std::fmt;
use std::sync::Arc;

use hangup::CloseReason;
use hangup::topic::{Cursor, Replay};

use super::error::{PublishError, SubscribeError};
use super::feeder;
use super::feeds::Feeds;
use super::name::TopicName;
use super::publish::{Ids, publish};
use super::subscription::Subscription;

/// The topics of an engine's log, fanned out to the subscribers of this node. Made by
/// [`Topics::builder`].
///
/// Cheap to clone; all clones are the same topics. When the last clone is dropped, the
/// subscriptions end, and so do the tasks that feed them.
#[must_use = "to drop the last clone ends the subscriptions"]
pub struct Topics<T> {
    owner: Arc<Owner<T>>,
}

/// Closes the feeds when it is dropped: feeders and subscriptions do not keep it.
struct Owner<T> {
    feeds: Arc<Feeds<T>>,
    ids: Ids,
}

impl<T> Topics<T> {
    pub(super) fn new(feeds: Feeds<T>) -> Self {
        Self {
            owner: Arc::new(Owner {
                feeds: Arc::new(feeds),
                ids: Ids::new(),
            }),
        }
    }

    /// Publishes to all nodes, at least once, and returns the place of the item in the log.
    ///
    /// An attempt whose outcome is unknown is made again, under the same id, until the
    /// [deadline](super::TopicsBuilder::publish_deadline) has passed: an engine that remembers
    /// ids has the item once, another one may have it more often.
    ///
    /// # Errors
    ///
    /// [`PublishError::Unknown`] if no attempt was answered in time: the item may be published
    /// all the same. After [`PublishError::Forgotten`] and [`PublishError::TooLarge`] it is not.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the item is published or not.
    pub async fn publish(
        &self,
        name: &TopicName,
        item: impl Into<Vec<u8>>,
    ) -> Result<Cursor, PublishError> {
        let Owner { feeds, ids } = &*self.owner;
        let deadline = feeds.publish_deadline;
        publish(
            &*feeds.log,
            &*feeds.runtime,
            ids,
            name,
            item.into(),
            deadline,
        )
        .await
    }

    /// How many keys are in use on this node: those with a subscription, and those that linger.
    #[must_use]
    pub fn len(&self) -> usize {
        self.owner.feeds.len()
    }

    /// Whether no key is in use on this node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends the subscriptions of this node, each after what this node has for it, or closes its
    /// [connection](Subscription::for_connection) for `reason` then. There is no new one. Returns
    /// whether this call closed them.
    ///
    /// What was published stays in the log: clients go on behind their cursors on another node.
    pub fn close(&self, reason: CloseReason) -> bool {
        self.owner.feeds.close(reason)
    }
}

impl<T: Send + Sync + 'static> Topics<T> {
    /// Subscribes from a place in the log on.
    ///
    /// - [`Replay::After`] a cursor from any node: all that the log retains after it. If some of
    ///   that is lost, a [`Gap`](super::Gap) comes first. A node that is behind waits until it
    ///   comes to the cursor; a cursor that the log has not given is a gap up to its end.
    /// - [`Replay::All`]: all that the log retains when the subscription is polled for the first
    ///   time.
    /// - [`Replay::Now`]: all that comes after what this node has read, or, if the key was not in
    ///   use, after the end of the log as it is now. So what a call publishes, on any node, that
    ///   begins when this has answered, arrives; and so does what was published before and this
    ///   node has not read yet, for instance since the engine is away.
    ///
    /// If the key is in use on this node, the engine is not asked before the subscription is
    /// polled, and this succeeds also while the engine is away.
    ///
    /// # Errors
    ///
    /// [`SubscribeError::Unavailable`] if the key was not in use and the engine does not answer,
    /// [`SubscribeError::TooManyKeys`], and [`SubscribeError::Closed`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the subscription that it would have made.
    pub async fn subscribe(
        &self,
        name: &TopicName,
        replay: Replay,
    ) -> Result<Subscription<T>, SubscribeError> {
        let feeds = &self.owner.feeds;
        let (lease, is_new) = feeds.join(name, replay)?;
        if is_new {
            feeder::spawn(feeds, &lease.feed);
        }
        let current = lease.feed.begun().await?;
        Ok(Subscription::new(lease, current, replay))
    }
}

impl<T> Drop for Owner<T> {
    fn drop(&mut self) {
        self.feeds.close(CloseReason::Completed);
    }
}

impl<T> Clone for Topics<T> {
    fn clone(&self) -> Self {
        Self {
            owner: Arc::clone(&self.owner),
        }
    }
}

impl<T> fmt::Debug for Topics<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
