//! The feeds of a node by key: made when they are used, removed when they are not.

use std::collections::{BTreeMap, HashMap, hash_map};
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hangup::CloseReason;
use hangup::runtime::Runtime;
use hangup::topic::Replay;

use super::error::SubscribeError;
use super::feed::Feed;
use super::name::TopicName;
use super::ring::RingPlan;
use super::source::Source;
use crate::contain::contain;
use crate::engine::Log;

pub(super) struct Feeds<T> {
    pub(super) log: Arc<dyn Log>,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) plan: RingPlan<T>,
    pub(super) max_keys: usize,
    pub(super) linger: Duration,
    pub(super) publish_deadline: Duration,
    pub(super) keys: Mutex<Keys<T>>,
}

pub(super) struct Keys<T> {
    slots: HashMap<TopicName, Slot<T>>,
    /// The keys without subscribers, those first that have been so for longest.
    idle: BTreeMap<u64, TopicName>,
    last_idle: u64,
    closed: Option<CloseReason>,
}

struct Slot<T> {
    feed: Arc<Feed<T>>,
    subscribers: usize,
}

impl<T> Default for Keys<T> {
    fn default() -> Self {
        Self {
            slots: HashMap::new(),
            idle: BTreeMap::new(),
            last_idle: 0,
            closed: None,
        }
    }
}

impl<T> Feeds<T> {
    fn keys(&self) -> MutexGuard<'_, Keys<T>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many keys are in use, those included that linger.
    pub(super) fn len(&self) -> usize {
        self.keys().slots.len()
    }

    /// One more subscriber of this key. Returns as well whether its feed needs a feeder.
    pub(super) fn join(
        self: &Arc<Self>,
        name: &TopicName,
        replay: Replay,
    ) -> Result<(Lease<T>, bool), SubscribeError> {
        let (feed, is_new, removed) = {
            let mut keys = self.keys();
            let keys = &mut *keys;
            if let Some(reason) = keys.closed {
                return Err(SubscribeError::Closed(reason));
            }
            let mut removed = None;
            if !keys.slots.contains_key(name) && keys.slots.len() >= self.max_keys {
                removed = keys.remove_longest_idle();
                if removed.is_none() {
                    return Err(SubscribeError::TooManyKeys);
                }
            }
            let (slot, is_new) = match keys.slots.entry(name.clone()) {
                hash_map::Entry::Occupied(slot) => (slot.into_mut(), false),
                hash_map::Entry::Vacant(slot) => {
                    let source = Source {
                        log: Arc::clone(&self.log),
                        runtime: Arc::clone(&self.runtime),
                        name: name.clone(),
                    };
                    let feed = Arc::new(Feed::new(source, replay));
                    let subscribers = 0;
                    (slot.insert(Slot { feed, subscribers }), true)
                }
            };
            slot.subscribers += 1;
            // ORDERING: `Relaxed`, since it is written under this lock, and who reads it without
            // the lock looks again under it, or is woken.
            let idle = slot.feed.idle_since.swap(0, Ordering::Relaxed);
            keys.idle.remove(&idle);
            (Arc::clone(&slot.feed), is_new, removed)
        };
        if let Some(removed) = removed {
            contain(|| removed.close(CloseReason::Completed));
        }
        let lease = Lease {
            feeds: Arc::clone(self),
            feed,
        };
        Ok((lease, is_new))
    }

    fn leave(&self, feed: &Arc<Feed<T>>) {
        {
            let mut keys = self.keys();
            let keys = &mut *keys;
            let slot = keys.slots.get_mut(&feed.source.name);
            let Some(slot) = slot.filter(|slot| Arc::ptr_eq(&slot.feed, feed)) else {
                return;
            };
            slot.subscribers -= 1;
            if slot.subscribers > 0 {
                return;
            }
            keys.last_idle += 1;
            keys.idle.insert(keys.last_idle, feed.source.name.clone());
            // ORDERING: `Relaxed`, as in `join`: the feeder is woken afterwards.
            feed.idle_since.store(keys.last_idle, Ordering::Relaxed);
        }
        feed.to_feeder.wake_all();
    }

    /// Removes a feed that has had no subscriber since then. Returns `false` if it has had one.
    pub(super) fn remove_idle(&self, feed: &Arc<Feed<T>>, since: u64) -> bool {
        let removed = {
            let mut keys = self.keys();
            // ORDERING: `Relaxed`, as in `join`.
            if feed.idle_since.load(Ordering::Relaxed) != since {
                return false;
            }
            keys.remove(feed)
        };
        drop(removed);
        true
    }

    /// Its feeder has ended.
    pub(super) fn end(&self, feed: &Arc<Feed<T>>, reason: CloseReason) {
        let removed = self.keys().remove(feed);
        contain(|| feed.close(reason));
        drop(removed);
    }

    /// Returns whether this call closed them.
    pub(super) fn close(&self, reason: CloseReason) -> bool {
        let slots = {
            let mut keys = self.keys();
            if keys.closed.is_some() {
                return false;
            }
            keys.closed = Some(reason);
            keys.idle.clear();
            mem::take(&mut keys.slots)
        };
        for slot in slots.into_values() {
            // It drops items, which may panic.
            contain(|| slot.feed.close(reason));
        }
        true
    }
}

impl<T> Keys<T> {
    fn remove(&mut self, feed: &Arc<Feed<T>>) -> Option<Slot<T>> {
        let slot = self.slots.get(&feed.source.name)?;
        if !Arc::ptr_eq(&slot.feed, feed) {
            return None;
        }
        // ORDERING: `Relaxed`, as in `join`.
        self.idle.remove(&feed.idle_since.load(Ordering::Relaxed));
        self.slots.remove(&feed.source.name)
    }

    fn remove_longest_idle(&mut self) -> Option<Arc<Feed<T>>> {
        let (_, name) = self.idle.pop_first()?;
        self.slots.remove(&name).map(|slot| slot.feed)
    }
}

/// One subscriber of a feed, as long as it lives.
pub(super) struct Lease<T> {
    pub(super) feeds: Arc<Feeds<T>>,
    pub(super) feed: Arc<Feed<T>>,
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        self.feeds.leave(&self.feed);
    }
}
