//! A log that keeps every item for ever, and says of each what has become of it.

use hangup::CloseReason;
use hangup::topic::{Cursor, PublishError};

/// How many items a lane keeps, of how many bytes in all; 0 for the latest value.
pub(super) const LANES: [(usize, usize); 3] = [(3, usize::MAX), (5, 6), (0, usize::MAX)];
pub(super) const AGE: u64 = 10;

/// What has become of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Kept,
    Lost,
    /// By a newer value, as its lane wants it.
    Overwritten,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) number: u64,
    pub(super) lane: usize,
    pub(super) size: usize,
    pub(super) at: u64,
    pub(super) fate: Fate,
}

/// Every item, for ever.
pub(super) struct Reference {
    pub(super) incarnation: u64,
    pub(super) start: u64,
    pub(super) last: u64,
    pub(super) items: Vec<Item>,
    pub(super) now: u64,
    pub(super) is_closed: bool,
    pub(super) is_fed: bool,
}

impl Reference {
    pub(super) fn end(&self) -> Cursor {
        Cursor::new(self.incarnation, self.last)
    }

    pub(super) fn kept(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.fate == Fate::Kept)
    }

    pub(super) fn publish(
        &mut self,
        lane: u8,
        at: Option<Cursor>,
        size: usize,
    ) -> Result<Cursor, PublishError> {
        if self.is_closed {
            return Err(PublishError::Closed(CloseReason::App(1)));
        }
        let lane = usize::from(lane);
        let &(_, limit) = LANES.get(lane).ok_or(PublishError::NoLane)?;
        if size > limit {
            return Err(PublishError::TooLarge { size, limit });
        }
        let cursor = at.unwrap_or_else(|| Cursor::new(self.incarnation, self.last + 1));
        if cursor.incarnation() != self.incarnation {
            return Err(PublishError::OtherIncarnation);
        }
        if cursor.number() <= self.last {
            return Err(PublishError::NotAfter { last: self.end() });
        }
        self.last = cursor.number();
        self.items.push(Item {
            number: self.last,
            lane,
            size,
            at: self.now,
            fate: Fate::Kept,
        });
        self.evict();
        Ok(cursor)
    }

    pub(super) fn evict(&mut self) {
        for (lane, (items, bytes)) in LANES.into_iter().enumerate() {
            let mut count = self.kept().filter(|item| item.lane == lane).count();
            let of_lane = |item: &&Item| item.lane == lane;
            let mut sum: usize = self.kept().filter(of_lane).map(|item| item.size).sum();
            for item in &mut self.items {
                if item.lane != lane || item.fate != Fate::Kept {
                    continue;
                }
                let is_old = self.now - item.at > AGE;
                if !is_old && count <= items.max(1) && sum <= bytes {
                    break;
                }
                let is_overwritten = items == 0 && !is_old;
                item.fate = if is_overwritten {
                    Fate::Overwritten
                } else {
                    Fate::Lost
                };
                count -= 1;
                sum -= item.size;
            }
        }
    }

    pub(super) fn forget(&mut self) {
        for item in &mut self.items {
            if item.fate == Fate::Kept {
                item.fate = Fate::Lost;
            }
        }
    }

    /// The last number of each lane that is lost, and the one that the log began behind.
    pub(super) fn lost(&self) -> [u64; 4] {
        let mut lost = [0, 0, 0, self.start];
        for item in self.items.iter().filter(|item| item.fate == Fate::Lost) {
            lost[item.lane] = item.number;
        }
        lost
    }

    pub(super) fn last_lost(&self) -> u64 {
        self.lost().into_iter().max().unwrap()
    }

    /// What was lost, in each lane, before a reader of all comes.
    pub(super) fn lost_before(&self) -> [u64; 4] {
        let lost = self.last_lost();
        let mut told = [lost; 4];
        for item in self
            .items
            .iter()
            .rev()
            .filter(|item| item.fate == Fate::Kept)
        {
            told[item.lane] = lost.min(item.number - 1);
        }
        told[3] = if told == [lost; 4] { lost } else { self.last };
        told
    }
}
