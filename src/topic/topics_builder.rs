//! How the topics of many keys are made.

use std::fmt;

use super::builder::TopicBuilder;
use super::by_key::{ByKey, Hook};
use super::error::BuildTopicError;
use super::topics::Topics;

/// Builds [`Topics`]. Made by [`Topics::builder`].
#[must_use = "a builder does nothing until it builds"]
pub struct TopicsBuilder<K, T> {
    topic: TopicBuilder<T>,
    max_topics: usize,
    on_first: Option<Hook<K>>,
    on_last: Option<Hook<K>>,
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
}

impl<K, T> TopicsBuilder<K, T> {
    /// The most keys that are in use at one time.
    ///
    /// A new key that exceeds it looks at some others, and is refused if none of these is idle.
    pub fn max_topics(mut self, limit: usize) -> Self {
        self.max_topics = limit;
        self
    }

    /// Calls `hook` when a key gets its first subscription: to feed its topic from an upstream,
    /// for instance.
    ///
    /// Calls for one key come one at a time, and [`on_last`](Self::on_last) in turns with this
    /// one, with no lock held. Mostly it is the call that subscribes, or the drop of the last
    /// subscription, that makes them before it returns; while a hook runs, the thread that runs
    /// it makes those that become due, and none for a stay that begins and ends in between. A
    /// panic of a hook is contained.
    pub fn on_first<F>(mut self, hook: F) -> Self
    where
        F: Fn(&K) + Send + Sync + 'static,
    {
        self.on_first = Some(Box::new(hook));
        self
    }

    /// Calls `hook` when the last subscription under a key has ended, also after the topics were
    /// dropped. Subscriptions to a topic that was [closed](Topics::close) count until they have
    /// ended.
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
        let plan = self.topic.plan()?;
        let by_key = ByKey::new(plan, self.max_topics, self.on_first, self.on_last);
        Ok(Topics::of(by_key))
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
