//! All that was ever published on a topic, and what has become of it.

use hangup::topic::{Cursor, PublishError};

/// What one lane keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// 0 for the latest value.
    pub(super) items: usize,
    pub(super) bytes: Option<usize>,
    pub(super) age: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Kept,
    /// By a newer value of its lane: no gap.
    Overwritten,
    /// Too old, and overwritten after that: it may be called missing.
    Excused,
    Lost,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) value: u32,
    pub(super) size: usize,
    lane: usize,
    at: u64,
    is_old: bool,
    pub(super) fate: Fate,
}

/// An item, or the place behind which the log began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) cursor: Cursor,
    pub(super) item: Option<Item>,
}

impl Entry {
    pub(super) fn is_kept(&self) -> bool {
        self.item.is_some_and(|item| item.fate == Fate::Kept)
    }

    /// Whether a reader that wants it has to be told.
    pub(super) fn is_missing(&self) -> bool {
        self.item.is_none_or(|item| item.fate == Fate::Lost)
    }

    pub(super) fn may_be_missing(&self) -> bool {
        self.is_missing() || self.item.is_some_and(|item| item.fate == Fate::Excused)
    }
}

pub(super) struct Ledger {
    pub(super) entries: Vec<Entry>,
    pub(super) lanes: Vec<Limits>,
    pub(super) now: u64,
    pub(super) is_fed: bool,
}

impl Ledger {
    pub(super) fn new(lanes: Vec<Limits>, start: Cursor, is_fed: bool) -> Self {
        Self {
            entries: vec![Entry {
                cursor: start,
                item: None,
            }],
            lanes,
            now: 0,
            is_fed,
        }
    }

    /// The place behind all that was published.
    pub(super) fn end(&self) -> Cursor {
        self.entries[self.entries.len() - 1].cursor
    }

    /// The last entry at this place or before it. `None` if the log never had this incarnation,
    /// or not from so low a number on.
    pub(super) fn place(&self, cursor: Cursor) -> Option<usize> {
        self.entries.iter().rposition(|entry| {
            let entry = entry.cursor;
            entry.incarnation() == cursor.incarnation() && entry.number() <= cursor.number()
        })
    }

    /// The first entry of the incarnation of this cursor, or of all if it had none.
    pub(super) fn first(&self, cursor: Cursor) -> usize {
        let is_here = |entry: &Entry| entry.cursor.incarnation() == cursor.incarnation();
        self.entries.iter().position(is_here).unwrap_or(0)
    }

    /// Whether it is in its first incarnation again.
    pub(super) fn came_back(&self) -> bool {
        let first = self.entries[0].cursor.incarnation();
        let is_here = |entry: &Entry| entry.cursor.incarnation() == first;
        self.end().incarnation() == first && !self.entries.iter().all(is_here)
    }

    /// Whether the log began anew at the place where it was.
    pub(super) fn is_no_step(&self, at: usize) -> bool {
        let entry = &self.entries[at];
        entry.item.is_none() && at > 0 && self.entries[at - 1].cursor == entry.cursor
    }

    pub(super) fn find(&self, value: u32) -> Option<usize> {
        let is_it = |entry: &Entry| entry.item.is_some_and(|item| item.value == value);
        self.entries.iter().position(is_it)
    }

    /// Where the log as it is now began.
    pub(super) fn begin(&self) -> usize {
        let begin = self.entries.iter().rposition(|entry| entry.item.is_none());
        begin.expect("a log begins")
    }

    pub(super) fn kept(&self) -> impl Iterator<Item = &Item> {
        let items = self.entries.iter().filter_map(|entry| entry.item.as_ref());
        items.filter(|item| item.fate == Fate::Kept)
    }

    fn kept_in(&mut self, lane: usize) -> Vec<&mut Item> {
        let items = self
            .entries
            .iter_mut()
            .filter_map(|entry| entry.item.as_mut());
        items
            .filter(|item| item.lane == lane && item.fate == Fate::Kept)
            .collect()
    }

    /// Why an item cannot be published, for each reason there is.
    pub(super) fn refusals(
        &self,
        lane: usize,
        size: usize,
        at: Option<Cursor>,
    ) -> Vec<PublishError> {
        let mut refusals = Vec::new();
        match self.lanes.get(lane) {
            None => refusals.push(PublishError::NoLane),
            Some(limits) => {
                if let Some(limit) = limits.bytes.filter(|limit| size > *limit) {
                    refusals.push(PublishError::TooLarge { size, limit });
                }
            }
        }
        let last = self.end();
        if let Some(at) = at {
            if at.incarnation() != last.incarnation() {
                refusals.push(PublishError::OtherIncarnation);
            } else if at.number() <= last.number() {
                refusals.push(PublishError::NotAfter { last });
            }
        }
        refusals
    }

    pub(super) fn publish(&mut self, cursor: Cursor, lane: usize, value: u32, size: usize) {
        let Limits { items, bytes, .. } = self.lanes[lane];
        let item = Item {
            value,
            size,
            lane,
            at: self.now,
            is_old: false,
            fate: Fate::Kept,
        };
        self.entries.push(Entry {
            cursor,
            item: Some(item),
        });
        if items == 0 {
            for entry in &mut self.entries {
                if let Some(item) = entry
                    .item
                    .as_mut()
                    .filter(|item| item.lane == lane && item.is_old)
                {
                    item.fate = Fate::Excused;
                }
            }
        }
        loop {
            let mut kept = self.kept_in(lane);
            let sum: usize = kept.iter().map(|item| item.size).sum();
            if kept.len() <= items.max(1) && bytes.is_none_or(|limit| sum <= limit) {
                return;
            }
            kept[0].fate = if items == 0 {
                Fate::Overwritten
            } else {
                Fate::Lost
            };
        }
    }

    pub(super) fn expire(&mut self, ticks: u64) {
        self.now += ticks;
        let now = self.now;
        for lane in 0..self.lanes.len() {
            let Some(age) = self.lanes[lane].age else {
                continue;
            };
            for item in self.kept_in(lane) {
                if now - item.at > age {
                    item.fate = Fate::Lost;
                    item.is_old = true;
                }
            }
        }
    }

    pub(super) fn reset(&mut self, start: Cursor) {
        for entry in &mut self.entries {
            if let Some(item) = entry.item.as_mut().filter(|item| item.fate == Fate::Kept) {
                item.fate = Fate::Lost;
            }
        }
        self.entries.push(Entry {
            cursor: start,
            item: None,
        });
    }
}
