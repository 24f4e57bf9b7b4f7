//! The topics of all keys: made when they are used, removed when nothing is left of them.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::builder::Plan;
use super::cursor::Cursor;
use super::error::{PublishError, SubscribeError};
use super::keys::{Keys, Slot};
use super::retention::Lane;
use super::shared::{Membership, Shared};
use crate::panic::catch_panic;
use crate::state::CloseReason;
use crate::sync::shards::Shards;
use crate::sync::{AtomicUsize, MutexGuard, Ordering};

#[cfg(not(hangup_loom))]
use std::hash::RandomState;
/// Without random keys: a repeated execution of a model must take the same steps.
#[cfg(hangup_loom)]
type RandomState = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// The most keys that are looked at under one lock (I10).
const PORTION: usize = 256;

/// How many keys are looked at to make room for a new one.
const ROOM: usize = 64;

/// How many keys a new one looks at, whether they are idle: so idle keys are fewer than those
/// in use, but for a few.
const LOOKS: usize = 2;

pub(super) type Hook<K> = Box<dyn Fn(&K) + Send + Sync>;

/// The topics of all keys, and what they have in common.
pub(super) struct ByKey<K, T> {
    shards: Shards<Keys<K, T>>,
    pub(super) hasher: RandomState,
    /// With keys of its own, since what it makes is public.
    incarnations: RandomState,
    pub(super) plan: Plan<T>,
    max_topics: usize,
    len: AtomicUsize,
    on_first: Option<Hook<K>>,
    on_last: Option<Hook<K>>,
}

impl<K, T> ByKey<K, T> {
    pub(super) fn new(
        plan: Plan<T>,
        max_topics: usize,
        on_first: Option<Hook<K>>,
        on_last: Option<Hook<K>>,
    ) -> Self {
        Self {
            shards: Shards::default(),
            hasher: RandomState::default(),
            incarnations: RandomState::default(),
            plan,
            max_topics,
            len: AtomicUsize::new(0),
            on_first,
            on_last,
        }
    }

    /// How many keys are in use.
    pub(super) fn len(&self) -> usize {
        self.shards.lock_each().map(|keys| keys.len()).sum()
    }

    pub(super) fn keys(&self, hash: u64) -> MutexGuard<'_, Keys<K, T>> {
        self.shards.lock(shard(hash))
    }

    /// Removes a key of which nothing is left, and returns whether it did.
    pub(super) fn remove_idle(&self, hash: u64, key: &Arc<K>) -> bool {
        let removed = self.keys(hash).remove_idle(hash, key);
        let is_removed = removed.is_some();
        if is_removed {
            // ORDERING: `Relaxed`, as in `count_one_more`.
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
        is_removed
    }

    /// Closes the topic that `find` finds among these keys.
    pub(super) fn close(
        &self,
        hash: u64,
        reason: CloseReason,
        find: impl FnOnce(&mut Keys<K, T>) -> Option<&mut Slot<K, T>>,
    ) -> bool {
        let closed = {
            let mut keys = self.keys(hash);
            let closed = find(&mut keys).and_then(|slot| {
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
        self.remove_idle(hash, &key);
        drop(topic);
        true
    }

    /// Closes the topics of all keys. Returns how many these are.
    pub(super) fn close_all(&self, reason: CloseReason) -> usize {
        let mut count = 0;
        self.for_each_key(|hash, key| {
            count += usize::from(self.close(hash, reason, |keys| keys.find(hash, key)));
        });
        count
    }

    /// There is one more subscription under this key.
    pub(super) fn subscribed<Q>(&self, key: &Q)
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
    pub(super) fn for_each_key(&self, mut each: impl FnMut(u64, &Arc<K>)) {
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

    pub(super) fn for_each(&self, mut each: impl FnMut(&K, &Arc<Shared<T>>)) {
        self.for_each_key(|hash, key| {
            let topic = self.keys(hash).find(hash, key).and_then(Slot::topic);
            if let Some(topic) = topic {
                each(key, &topic);
            }
        });
    }

    /// Drops what is too old under this key, and the key if it is idle then. Returns whether it
    /// was.
    pub(super) fn expire(&self, hash: u64, key: &Arc<K>, expire: impl FnOnce(&Shared<T>)) -> bool {
        let topic = self.keys(hash).find(hash, key).and_then(Slot::topic);
        topic.is_some_and(|topic| {
            expire(&topic);
            self.remove_idle(hash, key)
        })
    }

    /// Looks for a key that is idle, to make room for a new one: those of its own shard first.
    fn make_room(&self, hash: u64) -> bool {
        self.plan.limits_ages()
            && (0..ROOM).any(|look| {
                let shard = shard(hash).wrapping_add(look) % self.shards.count();
                let next = self.shards.lock(shard).next_to_look_at();
                next.is_some_and(|(hash, key)| self.expire(hash, &key, Shared::expire_as_told))
            })
    }

    /// A key has come into use: looks whether a few others are idle.
    pub(super) fn look_at_idle<Q>(&self, key: &Q)
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

impl<K, T> ByKey<K, T>
where
    K: Hash + Eq + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    /// Calls `with`, under the lock, with the topic of this key; makes both if there are none.
    /// Returns as well whether the key is new.
    pub(super) fn with_topic<Q, R>(
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
        let mut may_have_room = true;
        loop {
            let mut keys = self.keys(hash);
            let is_new = keys.get(hash, key).is_none();
            if is_new {
                // To clone a key is user code (I8).
                let Some(owned) = &owned else {
                    drop(keys);
                    owned = Some(Arc::new(key.to_owned()));
                    continue;
                };
                if let Err(error) = self.count_one_more() {
                    drop(keys);
                    if may_have_room && self.make_room(hash) {
                        may_have_room = false;
                        continue;
                    }
                    return Err(error);
                }
                keys.insert(hash, owned);
            }
            let forgotten = keys.forgotten;
            let Some(slot) = keys.get(hash, key) else {
                unreachable!("the key was found or added under this lock");
            };
            let key = &slot.key;
            let topic = slot.topic.get_or_insert_with(|| {
                let membership = Member {
                    topics: Arc::clone(self),
                    key: Arc::clone(key),
                    hash,
                };
                let start = self.plan.start();
                // So a cursor of one key is no place under another.
                let incarnation = match self.plan.is_fed() {
                    true => start.incarnation(),
                    false => start.incarnation() ^ self.incarnations.hash_one(hash),
                };
                let start = Cursor::new(incarnation, start.number().max(forgotten));
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

    pub(super) fn publish<Q>(
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

/// Which key a topic is under. It keeps all of them alive: until [`ByKey::close_all`] for the
/// topics, and for subscriptions as long as they are.
struct Member<K, T> {
    topics: Arc<ByKey<K, T>>,
    key: Arc<K>,
    hash: u64,
}

impl<K, T> Membership for Member<K, T>
where
    K: Send + Sync,
    T: Send + Sync,
{
    fn unsubscribed(&self) {
        self.topics.unsubscribed(self.hash, &self.key);
    }
}
