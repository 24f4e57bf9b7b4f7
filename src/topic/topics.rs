//! Topics by key.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::builder::{Plan, TopicBuilder};
use super::cursor::Cursor;
use super::error::{BuildTopicError, PublishError, SubscribeError};
use super::keys::{Keys, Slot};
use super::replay::Replay;
use super::retention::Lane;
use super::shared::{Membership, Shared};
use super::subscription::Subscription;
use crate::panic::catch_panic;
use crate::state::CloseReason;
use crate::sync::shards::Shards;
use crate::sync::{AtomicUsize, MutexGuard, Ordering, lock};

#[cfg(not(hangup_loom))]
use std::hash::RandomState;
/// Without random keys: a repeated execution of a model must take the same steps.
#[cfg(hangup_loom)]
type RandomState = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// The most keys that are looked at under one lock (I10).
const PORTION: usize = 256;

/// How many keys a new one looks at, whether they are idle: so idle keys are fewer than those
/// in use, but for a few.
const LOOKS: usize = 2;

/// A [`Topic`](super::Topic) for each key: made when the key is first used, and removed when
/// it has no subscription and retains nothing.
///
/// A topic that retains nothing by age is removed by the time its key would be noticed: when
/// other keys come, or by [`expire`](Self::expire). Without a limit in
/// [age](super::Retention::age), what was published under a key stays until the key is
/// [closed](Self::close): use [`max_topics`](TopicsBuilder::max_topics) where keys come from
/// outside.
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
    inner: Arc<Inner<K, T>>,
}

struct Inner<K, T> {
    shards: Shards<Keys<K, T>>,
    hasher: RandomState,
    plan: Plan<T>,
    max_topics: usize,
    len: AtomicUsize,
    on_first: Option<Hook<K>>,
    on_last: Option<Hook<K>>,
}

type Hook<K> = Box<dyn Fn(&K) + Send + Sync>;

/// Builds [`Topics`]. Made by [`Topics::builder`].
#[must_use = "a builder does nothing until it builds"]
pub struct TopicsBuilder<K, T> {
    topic: TopicBuilder<T>,
    max_topics: usize,
    on_first: Option<Hook<K>>,
    on_last: Option<Hook<K>>,
}

impl<K, T> TopicsBuilder<K, T> {
    /// The most keys that are in use at one time.
    pub fn max_topics(mut self, limit: usize) -> Self {
        self.max_topics = limit;
        self
    }

    /// Calls `hook` when a key gets its first subscription: to feed its topic from an upstream,
    /// for instance.
    ///
    /// Calls for one key come one at a time, and [`on_last`](Self::on_last) in turns with this
    /// one, with no lock held. A panic of a hook is contained.
    pub fn on_first<F>(mut self, hook: F) -> Self
    where
        F: Fn(&K) + Send + Sync + 'static,
    {
        self.on_first = Some(Box::new(hook));
        self
    }

    /// Calls `hook` when the last subscription under a key has ended.
    pub fn on_last<F>(mut self, hook: F) -> Self
    where
        F: Fn(&K) + Send + Sync + 'static,
    {
        self.on_last = Some(Box::new(hook));
        self
    }

    /// Builds them.
    ///
    /// # Errors
    ///
    /// As [`TopicBuilder::build`].
    pub fn build(self) -> Result<Topics<K, T>, BuildTopicError> {
        Ok(Topics {
            inner: Arc::new(Inner {
                shards: Shards::default(),
                hasher: RandomState::default(),
                plan: self.topic.plan()?,
                max_topics: self.max_topics,
                len: AtomicUsize::new(0),
                on_first: self.on_first,
                on_last: self.on_last,
            }),
        })
    }
}

impl<K, T> Topics<K, T> {
    /// Topics that are all built like this one.
    ///
    /// # Errors
    ///
    /// As [`TopicBuilder::build`].
    pub fn new(topic: TopicBuilder<T>) -> Result<Self, BuildTopicError> {
        Self::builder(topic).build()
    }

    /// A builder of topics that are all built like this one.
    pub fn builder(topic: TopicBuilder<T>) -> TopicsBuilder<K, T> {
        TopicsBuilder {
            topic,
            max_topics: usize::MAX,
            on_first: None,
            on_last: None,
        }
    }

    /// How many keys are in use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.shards.lock_each().map(|keys| keys.len()).sum()
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
    /// [`max_topics`](TopicsBuilder::max_topics).
    pub fn subscribe<Q>(&self, key: &Q, replay: Replay) -> Result<Subscription<T>, SubscribeError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let inner = &self.inner;
        if inner.plan.limits_ages() {
            // What is too old is not replayed.
            let hash = inner.hasher.hash_one(key);
            let topic = inner.keys(hash).get(hash, key).and_then(Slot::topic);
            if let Some(topic) = topic {
                topic.expire_as_told();
            }
        }
        // No user code runs until the subscription gives back what is counted here.
        let (topic, is_new) = inner.with_topic(key, |slot, topic| {
            slot.subscribers += 1;
            topic
        })?;
        let subscription = Subscription::new(topic, replay);
        inner.subscribed(key);
        if is_new {
            inner.look_at_idle(key);
        }
        Ok(subscription)
    }

    /// Publishes under `key`, into the [default lane](Lane::default).
    ///
    /// # Errors
    ///
    /// As [`Topic::publish`](super::Topic::publish), and [`PublishError::TooManyTopics`].
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
        let size = self.inner.plan.size(&item);
        self.inner.publish(key, lane, None, size, |_| item)
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
        let size = self.inner.plan.size_of(size);
        self.inner.publish(key, lane, None, size, make)
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
        let size = self.inner.plan.size(&item);
        self.inner.publish(key, lane, Some(cursor), size, |_| item)
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
        let size = self.inner.plan.size(item);
        let mut count = 0;
        self.inner.for_each(|key, topic| {
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
    /// close their [connections](Subscription::for_connection) for `reason` then. What is
    /// published under the key from now on is for later subscriptions. Returns whether there
    /// was a topic.
    pub fn close<Q>(&self, key: &Q, reason: CloseReason) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.inner.hasher.hash_one(key);
        let closed = {
            let mut keys = self.inner.keys(hash);
            let slot = keys.get(hash, key);
            let closed = slot.and_then(|slot| {
                let topic = slot.topic.take()?;
                Some((topic.begin_close(reason), topic, Arc::clone(&slot.key)))
            });
            if let Some((Some(closing), ..)) = &closed {
                keys.forgotten = keys.forgotten.max(closing.end.number());
            }
            closed
        };
        let Some((closing, topic, key)) = closed else {
            return false;
        };
        if let Some(closing) = closing {
            closing.wake();
        }
        self.inner.remove_idle(hash, &key);
        drop(topic);
        true
    }

    /// Forgets all items under `key` and begins anew behind `start`.
    ///
    /// # Errors
    ///
    /// [`PublishError::TooManyTopics`].
    pub fn reset<Q>(&self, key: &Q, start: Cursor) -> Result<(), PublishError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let (topic, _) = self.inner.with_topic(key, |_, topic| topic)?;
        topic.reset(start);
        Ok(())
    }

    /// The place behind all that was published under `key`. `None` if it is not in use.
    #[must_use]
    pub fn cursor<Q>(&self, key: &Q) -> Option<Cursor>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.inner.hasher.hash_one(key);
        let topic = self.inner.keys(hash).get(hash, key)?.topic()?;
        Some(lock(&topic.state).log.end())
    }

    /// How many subscriptions there are under `key`.
    #[must_use]
    pub fn subscribers<Q>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.inner.hasher.hash_one(key);
        let mut keys = self.inner.keys(hash);
        keys.get(hash, key).map_or(0, |slot| slot.subscribers)
    }

    /// Drops what is too old at `now` under all keys, and the keys that are idle then.
    pub fn expire(&self, now: Instant) {
        self.inner.for_each_key(|hash, key| {
            self.inner.expire(hash, key, |topic| topic.expire(now));
        });
    }
}

impl<K, T> Inner<K, T> {
    fn keys(&self, hash: u64) -> MutexGuard<'_, Keys<K, T>> {
        self.shards.lock(shard(hash))
    }

    /// Removes a key of which nothing is left.
    fn remove_idle(&self, hash: u64, key: &Arc<K>) {
        let removed = self.keys(hash).remove_idle(hash, key);
        if removed.is_some() {
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// There is one more subscription under this key.
    fn subscribed<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if self.on_first.is_none() && self.on_last.is_none() {
            return;
        }
        let hash = self.hasher.hash_one(key);
        let first = {
            let mut keys = self.keys(hash);
            let slot = keys.get(hash, key);
            slot.and_then(|slot| {
                let calls = slot.is_due() && slot.caller.take(|| ());
                calls.then(|| Arc::clone(&slot.key))
            })
        };
        if let Some(key) = first {
            self.call_hooks(hash, &key);
        }
    }

    /// A subscription under this key has ended.
    fn unsubscribed(&self, hash: u64, key: &Arc<K>) {
        let calls = {
            let mut keys = self.keys(hash);
            let Some(slot) = keys.find(hash, key) else {
                unreachable!("a key stays as long as it has a subscription");
            };
            slot.subscribers -= 1;
            let hooked = self.on_first.is_some() || self.on_last.is_some();
            hooked && slot.is_due() && slot.caller.take(|| ())
        };
        if calls {
            self.call_hooks(hash, key);
        } else {
            self.remove_idle(hash, key);
        }
    }

    /// Makes the calls that are due for this key. This thread holds its baton.
    fn call_hooks(&self, hash: u64, key: &Arc<K>) {
        loop {
            let hook = {
                let mut keys = self.keys(hash);
                let Some(slot) = keys.find(hash, key) else {
                    unreachable!("a key stays as long as its hooks are called");
                };
                if !slot.is_due() {
                    slot.caller.put_back();
                    break;
                }
                slot.is_announced = !slot.is_announced;
                match slot.is_announced {
                    true => &self.on_first,
                    false => &self.on_last,
                }
            };
            if let Some(hook) = hook {
                let _: Result<(), String> = catch_panic(|| hook(key));
            }
        }
        self.remove_idle(hash, key);
    }

    /// Calls `each` for every key that is in use for the whole call, with no lock held (I8).
    fn for_each_key(&self, mut each: impl FnMut(u64, &Arc<K>)) {
        for shard in 0..self.shards.count() {
            let mut after = 0;
            loop {
                let mut portion = Vec::new();
                {
                    let keys = self.shards.lock(shard);
                    while let (Some((order, hash, key)), 0..PORTION) =
                        (keys.after(after), portion.len())
                    {
                        after = order;
                        portion.push((hash, Arc::clone(key)));
                    }
                }
                if portion.is_empty() {
                    break;
                }
                portion.iter().for_each(|(hash, key)| each(*hash, key));
            }
        }
    }

    fn for_each(&self, mut each: impl FnMut(&K, &Arc<Shared<T>>)) {
        self.for_each_key(|hash, key| {
            let topic = self.keys(hash).find(hash, key).and_then(Slot::topic);
            if let Some(topic) = topic {
                each(key, &topic);
            }
        });
    }

    /// Drops what is too old under this key, and the key if it is idle then.
    fn expire(&self, hash: u64, key: &Arc<K>, expire: impl FnOnce(&Shared<T>)) {
        let topic = self.keys(hash).find(hash, key).and_then(Slot::topic);
        if let Some(topic) = topic {
            expire(&topic);
            self.remove_idle(hash, key);
        }
    }

    /// A key has come into use: looks whether a few others are idle.
    fn look_at_idle<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        if self.plan.limits_ages() {
            let shard = self.hasher.hash_one(key);
            for _ in 0..LOOKS {
                let next = self.keys(shard).next_to_look_at();
                if let Some((hash, key)) = next {
                    self.expire(hash, &key, Shared::expire_as_told);
                }
            }
        }
    }
}

impl<K, T> Inner<K, T>
where
    K: Hash + Eq + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    /// Calls `with`, under the lock, with the topic of this key; makes both if there are none.
    /// Returns as well whether the key is new.
    fn with_topic<Q, R>(
        self: &Arc<Self>,
        key: &Q,
        with: impl FnOnce(&mut Slot<K, T>, Arc<Shared<T>>) -> R,
    ) -> Result<(R, bool), SubscribeError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let mut owned = None;
        loop {
            let mut keys = self.keys(hash);
            let is_new = keys.get(hash, key).is_none();
            if is_new {
                // To clone a key is user code (I8).
                let Some(owned) = owned.take() else {
                    drop(keys);
                    owned = Some(Arc::new(key.to_owned()));
                    continue;
                };
                self.count_one_more()?;
                keys.insert(hash, &owned);
            }
            let forgotten = keys.forgotten;
            let Some(slot) = keys.get(hash, key) else {
                unreachable!("the key was found or added under this lock");
            };
            let key = &slot.key;
            let topic = slot.topic.get_or_insert_with(|| {
                let membership = Member {
                    topics: Arc::downgrade(self),
                    key: Arc::clone(key),
                    hash,
                };
                let first = self.plan.start();
                let start = first.number().max(forgotten);
                let start = Cursor::new(first.incarnation(), start);
                self.plan.topic(start, Some(Box::new(membership)))
            });
            let topic = Arc::clone(topic);
            return Ok((with(slot, topic), is_new));
        }
    }

    fn count_one_more(&self) -> Result<(), SubscribeError> {
        // ORDERING: `Relaxed`, since the count guards no other data.
        let len = self.len.fetch_add(1, Ordering::Relaxed);
        if len >= self.max_topics {
            self.len.fetch_sub(1, Ordering::Relaxed);
            return Err(SubscribeError::TooManyTopics);
        }
        Ok(())
    }

    fn publish<Q>(
        self: &Arc<Self>,
        key: &Q,
        lane: Lane,
        at: Option<Cursor>,
        size: usize,
        make: impl FnOnce(Cursor) -> T,
    ) -> Result<Cursor, PublishError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut make = Some(make);
        loop {
            let (topic, is_new) = self.with_topic(key, |_, topic| topic)?;
            let published = topic.publish(lane, at, size, |cursor| match make.take() {
                Some(make) => make(cursor),
                None => unreachable!("only the call that succeeds makes the item"),
            });
            match published {
                // It was closed or removed since the look-up, so the key has another one now.
                Err(PublishError::Closed(_)) => {}
                Err(error) => {
                    // The key may have come into use for this item alone.
                    let hash = self.hasher.hash_one(key);
                    let key = self
                        .keys(hash)
                        .get(hash, key)
                        .map(|slot| Arc::clone(&slot.key));
                    if let Some(key) = key {
                        self.remove_idle(hash, &key);
                    }
                    return Err(error);
                }
                Ok(cursor) => {
                    // Only now that it has an item: this key is looked at as well.
                    if is_new {
                        self.look_at_idle(key);
                    }
                    return Ok(cursor);
                }
            }
        }
    }
}

/// The high bits: the low ones choose the bucket in the table.
fn shard(hash: u64) -> usize {
    (hash >> 32) as usize
}

/// Which key a topic is under.
struct Member<K, T> {
    topics: Weak<Inner<K, T>>,
    key: Arc<K>,
    hash: u64,
}

impl<K, T> Membership for Member<K, T>
where
    K: Send + Sync,
    T: Send + Sync,
{
    fn unsubscribed(&self) {
        if let Some(topics) = self.topics.upgrade() {
            topics.unsubscribed(self.hash, &self.key);
        }
    }
}

impl<K, T> Drop for Inner<K, T> {
    fn drop(&mut self) {
        for shard in 0..self.shards.count() {
            let slots: Vec<_> = self.shards.lock(shard).drain().collect();
            for slot in slots {
                if let Some(topic) = slot.topic {
                    topic.close(CloseReason::Completed);
                }
            }
        }
    }
}

impl<K, T> Clone for Topics<K, T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
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

impl<K, T> fmt::Debug for TopicsBuilder<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicsBuilder")
            .field("topic", &self.topic)
            .field("max_topics", &self.max_topics)
            .finish_non_exhaustive()
    }
}
