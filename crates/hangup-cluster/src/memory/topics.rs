//! The items of the topics.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::engine::LogEvent;
use hangup::topic::Cursor;

/// The log in one life of the engine.
pub(super) struct Topics {
    incarnation: u64,
    /// The number of the last item of any topic: one count for all of them.
    last: u64,
    topics: BTreeMap<String, Topic>,
}

#[derive(Default)]
struct Topic {
    items: VecDeque<(u64, Vec<u8>)>,
    /// The number of the last item that is not there any more.
    trimmed: u64,
    ids: HashMap<String, u64>,
    /// The ids in the order in which they are forgotten.
    ages: VecDeque<String>,
}

/// How much a topic keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) items: usize,
    pub(super) ids: usize,
}

impl Topics {
    pub(super) fn new(incarnation: u64) -> Self {
        Self {
            incarnation,
            last: 0,
            topics: BTreeMap::new(),
        }
    }

    pub(super) fn publish(
        &mut self,
        topic: String,
        id: String,
        item: Vec<u8>,
        kept: Kept,
    ) -> Cursor {
        let topic = self.topics.entry(topic).or_default();
        if let Some(number) = topic.ids.get(&id) {
            return Cursor::new(self.incarnation, *number);
        }
        self.last += 1;
        topic.items.push_back((self.last, item));
        topic.ids.insert(id.clone(), self.last);
        topic.ages.push_back(id);
        while topic.items.len() > kept.items {
            if let Some((number, _)) = topic.items.pop_front() {
                topic.trimmed = number;
            }
        }
        while topic.ages.len() > kept.ids {
            if let Some(id) = topic.ages.pop_front() {
                topic.ids.remove(&id);
            }
        }
        Cursor::new(self.incarnation, self.last)
    }

    pub(super) fn end(&self, topic: &str) -> Cursor {
        let end = self.topics.get(topic).map_or(0, |topic| {
            let last = topic.items.back().map(|(number, _)| *number);
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
            .partition_point(|(number, _)| *number <= after.number());
        let (number, item) = topic.items.get(at)?;
        let cursor = Cursor::new(self.incarnation, *number);
        Some((cursor, LogEvent::Item(cursor, item.clone())))
    }
}
