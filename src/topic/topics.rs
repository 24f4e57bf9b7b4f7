//! Topics by key.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::Instant;

use super::by_key::ByKey;
use super::cursor::Cursor;
use super::error::{PublishError, SubscribeError};
use super::keys::Slot;
use super::replay::Replay;
use super::retention::Lane;
use super::subscription::Subscription;
use crate::state::CloseReason;
use crate::sync::lock;

/// A [`Topic`](super::Topic) for each key: made when the key is first used, and removed when
/// it has no subscription and retains nothing.
///
/// A key is idle if it has no subscription, and retains no item that is young enough. It is
/// removed when new keys come, each of which looks at a few others, or by
/// [`expire`](Self::expire). Without a limit in [age](super::Retention::age) a key that has an item
/// is never idle: it stays until it is [closed](Self::close). Use
/// [`max_topics`](super::TopicsBuilder::max_topics) where keys come from outside. A connection that
/// has closed keeps its subscription, and so its key, until its transport drops the stream.
///
/// A [`Cursor`] is a place under its own key: under another one it is a [gap](super::Gap).
///
/// A [drain](crate::Scope::drain) closes connections and not topics: what was accepted arrives if
/// their streams [flush](crate::LiveStream::flush), or if [`close_all`](Self::close_all) comes
/// before it.
///
/// Cheap to clone; all clones are the same topics. When the last clone is dropped, the
/// subscriptions end, after what was published before.
///
/// # Examples
///
/// ```
/// # use futures::{StreamExt, executor::block_on};
/// use hangup::topic::{Replay, Retention, Topic, Topics};
/// use hangup::{CloseReason, Scope};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let agents: Topics<String, String> = Topics::new(Topic::builder(Retention::items(100)))?;
/// let live = Scope::new().live()?;
/// let events = agents.subscribe("ada", Replay::All)?.for_connection(live.handle());
/// let events = live.stream(events.map(|event| event.unwrap().into_inner()));
/// let events = events.farewell(|end| Some(format!("bye: {}", end.reason())));
///
/// agents.publish("ada", "hello".to_owned())?;
/// agents.close("ada", CloseReason::Shutdown);
/// // What was published before the close still arrives.
/// assert_eq!(block_on(events.collect::<Vec<_>>()), ["hello", "bye: shutdown"]);
/// assert_eq!(agents.len(), 0);
/// # Ok(())
/// # }
/// ```
#[must_use = "to drop the last clone ends the topics"]
pub struct Topics<K, T> {
    by_key: Arc<ByKey<K, T>>,
    /// The same for all clones.
    _owner: Arc<Owner<K, T>>,
}

/// Closes the topics when the last clone is dropped.
struct Owner<K, T>(Arc<ByKey<K, T>>);

impl<K, T> Drop for Owner<K, T> {
    fn drop(&mut self) {
        self.0.close_all(CloseReason::Completed);
    }
}

impl<K, T> Topics<K, T> {
    pub(super) fn of(by_key: ByKey<K, T>) -> Self {
        let by_key = Arc::new(by_key);
        Self {
            _owner: Arc::new(Owner(Arc::clone(&by_key))),
            by_key,
        }
    }

    /// How many keys are in use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no key is in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K, T> Topics<K, T>
where
    K: Hash + Eq + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    /// Subscribes under `key`, from a place in its log on.
    ///
    /// # Errors
    ///
    /// [`SubscribeError::TooManyTopics`] for a new key that exceeds
    /// [`max_topics`](super::TopicsBuilder::max_topics).
    pub fn subscribe<Q>(&self, key: &Q, replay: Replay) -> Result<Subscription<T>, SubscribeError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let by_key = &self.by_key;
        if by_key.plan.limits_ages() {
            // What is too old is not replayed.
            let hash = by_key.hasher.hash_one(key);
            let topic = by_key.keys(hash).get(hash, key).and_then(Slot::topic);
            if let Some(topic) = topic {
                topic.expire_as_told();
            }
        }
        // No user code runs until the subscription gives back what is counted here.
        let (topic, is_new) = by_key.with_topic(key, |slot, topic| {
            slot.subscribers += 1;
            topic
        })?;
        let subscription = Subscription::new(topic, replay);
        by_key.subscribed(key);
        if is_new {
            by_key.look_at_idle(key);
        }
        Ok(subscription)
    }

    /// Publishes under `key`, into the [default lane](Lane::default).
    ///
    /// # Errors
    ///
    /// [`PublishError::TooManyTopics`] for a new key, or [`PublishError::TooLarge`]. It is never
    /// [`Closed`](PublishError::Closed): after a close the key has another topic.
    pub fn publish<Q>(&self, key: &Q, item: T) -> Result<Cursor, PublishError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.publish_in(key, Lane::default(), item)
    }

    /// Publishes under `key`, into `lane`.
    ///
    /// # Errors
    ///
    /// As [`Topic::publish_in`](super::Topic::publish_in), and [`PublishError::TooManyTopics`].
    pub fn publish_in<Q>(&self, key: &Q, lane: Lane, item: T) -> Result<Cursor, PublishError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let size = self.by_key.plan.size(&item);
        self.by_key.publish(key, lane, None, size, |_| item)
    }

    /// Publishes what `make`, which runs under the lock, makes of its cursor (I8).
    #[cfg(feature = "http-body")]
    pub(super) fn publish_with<Q>(
        &self,
        key: &Q,
        lane: Lane,
        size: usize,
        make: impl FnOnce(Cursor) -> T,
    ) -> Result<Cursor, PublishError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let size = self.by_key.plan.size_of(size);
        self.by_key.publish(key, lane, None, size, make)
    }

    /// Appends under `key` what has its cursor already, from an engine or another node.
    ///
    /// # Errors
    ///
    /// As [`Topic::append_at`](super::Topic::append_at), and [`PublishError::TooManyTopics`].
    pub fn append_at<Q>(
        &self,
        key: &Q,
        lane: Lane,
        cursor: Cursor,
        item: T,
    ) -> Result<Cursor, PublishError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let size = self.by_key.plan.size(&item);
        self.by_key.publish(key, lane, Some(cursor), size, |_| item)
    }

    /// Publishes under all keys that are in use for which `wanted` returns `true`, each a clone
    /// of `item`. Returns how many these are.
    ///
    /// A key that comes into use during the call may get it. An item that is too large for the
    /// topics is published under none.
    pub fn publish_where<F>(&self, lane: Lane, item: &T, mut wanted: F) -> usize
    where
        F: FnMut(&K) -> bool,
        T: Clone,
    {
        let size = self.by_key.plan.size(item);
        let mut count = 0;
        self.by_key.for_each(|key, topic| {
            if wanted(key) {
                let item = item.clone();
                let published = topic.publish(lane, None, size, |_| item);
                count += usize::from(published.is_ok());
            }
        });
        count
    }

    /// Publishes under all keys that are in use, into the [default lane](Lane::default).
    /// Returns how many these are.
    pub fn publish_all(&self, item: &T) -> usize
    where
        T: Clone,
    {
        self.publish_where(Lane::default(), item, |_| true)
    }

    /// Closes the topic under `key`: its subscriptions end after what was published before, or
    /// close their [connections](Subscription::for_connection) for `reason` then. Returns whether
    /// there was a topic.
    ///
    /// The key may be used again at once: what is published from now on is for later
    /// subscriptions, and its cursors go on. A client that reconnects by itself, as an
    /// `EventSource` does, makes the key anew: a server that wants it gone for good refuses it.
    pub fn close<Q>(&self, key: &Q, reason: CloseReason) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.by_key.hasher.hash_one(key);
        let by_key = &self.by_key;
        by_key.close(hash, reason, |keys| keys.get(hash, key))
    }

    /// [Closes](Self::close) the topics of all keys that are in use for the whole call. Returns
    /// how many these are.
    pub fn close_all(&self, reason: CloseReason) -> usize {
        self.by_key.close_all(reason)
    }

    /// Forgets all items under `key` and begins anew behind `start`.
    ///
    /// # Errors
    ///
    /// As [`Topic::reset`](super::Topic::reset), and [`PublishError::TooManyTopics`].
    pub fn reset<Q>(&self, key: &Q, start: Cursor) -> Result<(), PublishError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        loop {
            let (topic, _) = self.by_key.with_topic(key, |_, topic| topic)?;
            match topic.reset(start) {
                // It was closed or removed since the look-up, so the key has another one now.
                Err(PublishError::Closed(_)) => {}
                reset => return reset,
            }
        }
    }

    /// The place behind all that was published under `key`. `None` if it is not in use.
    #[must_use]
    pub fn cursor<Q>(&self, key: &Q) -> Option<Cursor>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.by_key.hasher.hash_one(key);
        let topic = self.by_key.keys(hash).get(hash, key)?.topic()?;
        Some(lock(&topic.state).log.end())
    }

    /// How many subscriptions there are under `key`.
    #[must_use]
    pub fn subscribers<Q>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.by_key.hasher.hash_one(key);
        let mut keys = self.by_key.keys(hash);
        keys.get(hash, key).map_or(0, |slot| slot.subscribers)
    }

    /// Drops what is too old at `now` under all keys, and the keys that are idle then.
    pub fn expire(&self, now: Instant) {
        self.by_key.for_each_key(|hash, key| {
            self.by_key.expire(hash, key, |topic| topic.expire(now));
        });
    }
}

impl<K, T> Clone for Topics<K, T> {
    fn clone(&self) -> Self {
        Self {
            by_key: Arc::clone(&self.by_key),
            _owner: Arc::clone(&self._owner),
        }
    }
}

impl<K, T> fmt::Debug for Topics<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
