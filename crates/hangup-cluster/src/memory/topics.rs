//! The items of the topics.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::engine::LogEvent;
use hangup::topic::Cursor;

/// The log in one life of the engine.
pub(super) struct Topics {
    incarnation: u64,
    /// The number of the last item of any topic: one count for all of them.
    last: u64,
    topics: BTreeMap<String, Topic>,
    /// Each topic that has an item, with a time at or before that of the oldest one.
    looks: BTreeSet<(Instant, String)>,
}

#[derive(Default)]
struct Topic {
    items: VecDeque<Item>,
    /// The number of the last item that is not there any more.
    trimmed: u64,
    ids: HashMap<String, u64>,
    /// The ids in the order in which they are forgotten.
    ages: VecDeque<String>,
}

struct Item {
    number: u64,
    published: Instant,
    value: Vec<u8>,
}

/// How much a topic keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) items: usize,
    pub(super) ids: usize,
    pub(super) time: Duration,
}

impl Topics {
    pub(super) fn new(incarnation: u64) -> Self {
        Self {
            incarnation,
            last: 0,
            topics: BTreeMap::new(),
            looks: BTreeSet::new(),
        }
    }

    pub(super) fn publish(
        &mut self,
        name: String,
        id: String,
        value: Vec<u8>,
        kept: Kept,
        now: Instant,
    ) -> Cursor {
        self.sweep(kept, now);
        let topic = self.topics.entry(name.clone()).or_default();
        if let Some(number) = topic.ids.get(&id) {
            return Cursor::new(self.incarnation, *number);
        }
        self.last += 1;
        if topic.items.is_empty() {
            self.looks.insert((now, name));
        }
        topic.items.push_back(Item {
            number: self.last,
            published: now,
            value,
        });
        topic.ids.insert(id.clone(), self.last);
        topic.ages.push_back(id);
        while topic.items.len() > kept.items {
            topic.trim();
        }
        while topic.ages.len() > kept.ids {
            if let Some(id) = topic.ages.pop_front() {
                topic.ids.remove(&id);
            }
        }
        Cursor::new(self.incarnation, self.last)
    }

    /// Removes the items whose time has passed, of all topics: one that is published to no more
    /// holds nothing for ever.
    fn sweep(&mut self, kept: Kept, now: Instant) {
        let has_passed = |published: Instant| now.duration_since(published) >= kept.time;
        while self.looks.first().is_some_and(|(at, _)| has_passed(*at)) {
            let Some((_, name)) = self.looks.pop_first() else {
                return;
            };
            let Some(topic) = self.topics.get_mut(&name) else {
                continue;
            };
            while topic.oldest().is_some_and(has_passed) {
                topic.trim();
            }
            if topic.items.is_empty() {
                // Only where it was trimmed stays.
                *topic = Topic {
                    trimmed: topic.trimmed,
                    ..Topic::default()
                };
            }
            if let Some(oldest) = topic.oldest() {
                self.looks.insert((oldest, name));
            }
        }
    }

    pub(super) fn end(&self, topic: &str) -> Cursor {
        let end = self.topics.get(topic).map_or(0, |topic| {
            let last = topic.items.back().map(|item| item.number);
            last.unwrap_or(topic.trimmed)
        });
        Cursor::new(self.incarnation, end)
    }

    pub(super) fn start(&self, topic: &str) -> Cursor {
        let trimmed = self.topics.get(topic).map_or(0, |topic| topic.trimmed);
        Cursor::new(self.incarnation, trimmed)
    }

    /// The gap that a reader behind `after` meets at once.
    pub(super) fn gap(&self, topic: &str, after: Cursor) -> Option<Cursor> {
        let start = self.start(topic);
        let is_known = after.incarnation() == self.incarnation
            && (start.number()..=self.last).contains(&after.number());
        (!is_known).then_some(start)
    }

    /// What comes behind `after`, which is of this life.
    pub(super) fn next(&self, topic: &str, after: Cursor) -> Option<(Cursor, LogEvent)> {
        let topic = self.topics.get(topic)?;
        if after.number() < topic.trimmed {
            let trimmed = Cursor::new(self.incarnation, topic.trimmed);
            return Some((trimmed, LogEvent::Gap(trimmed)));
        }
        let at = topic
            .items
            .partition_point(|item| item.number <= after.number());
        let item = topic.items.get(at)?;
        let cursor = Cursor::new(self.incarnation, item.number);
        Some((cursor, LogEvent::Item(cursor, item.value.clone())))
    }
}

impl Topic {
    fn oldest(&self) -> Option<Instant> {
        self.items.front().map(|item| item.published)
    }

    fn trim(&mut self) {
        if let Some(item) = self.items.pop_front() {
            self.trimmed = item.number;
        }
    }
}
