//! How topics are made.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hangup::runtime::{self, NoRuntime, Runtime};
use hangup::topic::{Cursor, Retention};

use super::error::BuildTopicsError;
use super::feeds::{Feeds, Keys};
use super::ring::{Decode, RingPlan};
use super::topics::Topics;
use crate::engine::Log;

/// Builds [`Topics`]. Made by [`Topics::builder`].
#[must_use = "a builder does nothing until it builds"]
pub struct TopicsBuilder<T> {
    log: Arc<dyn Log>,
    decode: Decode<T>,
    runtime: Option<Arc<dyn Runtime>>,
    retention: Retention,
    max_keys: usize,
    linger: Duration,
    publish_deadline: Duration,
}

impl<T> Topics<T> {
    /// A builder of the topics of `log`, whose items `decode` turns into events.
    ///
    /// An item is decoded once on each node, for all subscribers that are not behind: so it may
    /// be encoded for the clients right there. For a subscriber that reads what this node has not
    /// any more, it is decoded again. If `decode` panics, the item is a [`Gap`](super::Gap) of its
    /// own for each subscriber, and the next item follows.
    pub fn builder<F>(log: Arc<dyn Log>, decode: F) -> TopicsBuilder<T>
    where
        F: Fn(Cursor, &[u8]) -> T + Send + Sync + 'static,
    {
        TopicsBuilder {
            log,
            decode: Arc::new(decode),
            runtime: None,
            retention: Retention::items(1_000).bytes(1 << 20),
            max_keys: 100_000,
            linger: Duration::from_secs(5),
            publish_deadline: Duration::from_secs(10),
        }
    }
}

impl<T> TopicsBuilder<T> {
    /// The runtime of the tasks that feed the topics, one for each key in use. Without this, it is
    /// that of the thread that builds.
    pub fn runtime(mut self, runtime: impl Runtime + 'static) -> Self {
        self.runtime = Some(Arc::new(runtime));
        self
    }

    /// How much of each topic this node keeps, decoded; bytes are those of the items in the
    /// engine. Unless it is set, 1,000 items of 1 MiB together.
    ///
    /// A subscriber that is slower than this misses nothing: it reads from the engine by itself
    /// until it has caught up. So keep as much as clients are behind that reconnect, and not less
    /// than a hundred items: a node that catches up reads some of them before its subscribers have
    /// their turns. Under [`Retention::latest`] subscribers skip what is overwritten.
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// The most keys that are in use on this node at a time. One that lingers makes room for a
    /// new one. Unless it is set, 100,000.
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.max_keys = keys;
        self
    }

    /// How long a key is fed on when its last subscriber has left: for clients that reconnect.
    /// Unless it is set, 5 s.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// For how long an item is tried to be [published](Topics::publish). Unless it is set, 10 s.
    pub fn publish_deadline(mut self, deadline: Duration) -> Self {
        self.publish_deadline = deadline;
        self
    }

    /// Builds them. Nothing is asked of the engine yet.
    ///
    /// # Errors
    ///
    /// [`BuildTopicsError::NoRuntime`] if they were given none, and this thread is in none.
    pub fn build(self) -> Result<Topics<T>, BuildTopicsError> {
        let runtime = self.runtime.or_else(runtime::current).ok_or(NoRuntime)?;
        Ok(Topics::new(Feeds {
            log: self.log,
            plan: RingPlan {
                retention: self.retention,
                runtime: Arc::clone(&runtime),
                decode: self.decode,
            },
            runtime,
            max_keys: self.max_keys,
            linger: self.linger,
            publish_deadline: self.publish_deadline,
            keys: Mutex::new(Keys::default()),
        }))
    }
}

impl<T> fmt::Debug for TopicsBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicsBuilder")
            .field("retention", &self.retention)
            .field("max_keys", &self.max_keys)
            .field("linger", &self.linger)
            .field("publish_deadline", &self.publish_deadline)
            .finish_non_exhaustive()
    }
}
