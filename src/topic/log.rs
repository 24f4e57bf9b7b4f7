//! The log of a topic: its lanes, and how a subscriber reads on.

use std::time::Instant;

use super::cursor::Cursor;
use super::error::PublishError;
use super::gap::Gap;
use super::published::Published;
use super::retention::{Lane, Retention};
use super::ring::{Evicted, Ring};

/// The lanes of a topic, merged by the numbers of their items.
pub(super) struct Log<T> {
    /// The first one is the default lane.
    rings: Vec<Ring<T>>,
    incarnation: u64,
    /// The number of the last item.
    last: u64,
    /// The ring of the item that was appended last, as long as nothing else has happened: most
    /// readers have all but that one.
    newest_in: Option<usize>,
    /// The number of the last item that is lost: the highest of all rings, or the start.
    lost: u64,
    /// The numbers come from outside. A reader may be ahead of the log then: it has read from
    /// another one that was fed earlier.
    fed: bool,
}

/// How far a subscriber has read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    pub(super) incarnation: u64,
    /// The number of the last item that it has.
    pub(super) number: u64,
}

impl Position {
    pub(super) fn new(at: Cursor) -> Self {
        Self {
            incarnation: at.incarnation(),
            number: at.number(),
        }
    }
}

pub(super) enum Read<'a, T> {
    Item(&'a Published<T>),
    Gap(Gap),
    Nothing,
}

impl<T> Log<T> {
    pub(super) fn new(
        default: Retention,
        lanes: impl IntoIterator<Item = (Lane, Retention)>,
        start: Cursor,
        fed: bool,
    ) -> Self {
        let mut rings = vec![Ring::new(Lane::default(), default)];
        for (lane, retention) in lanes {
            match rings.iter_mut().find(|ring| ring.lane == lane) {
                Some(ring) => ring.retention = retention,
                None => rings.push(Ring::new(lane, retention)),
            }
        }
        Self {
            rings,
            incarnation: start.incarnation(),
            last: start.number(),
            newest_in: None,
            lost: start.number(),
            fed,
        }
    }

    fn at(&self, number: u64) -> Cursor {
        Cursor::new(self.incarnation, number)
    }

    /// The place behind all items.
    pub(super) fn end(&self) -> Cursor {
        self.at(self.last)
    }

    /// Before all that is retained, and up to which number the reader needs no telling: what is
    /// not retained was lost before it came, and is no gap.
    pub(super) fn beginning(&self) -> (Position, u64) {
        (Position::new(self.at(0)), self.lost)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rings.iter().all(Ring::is_empty)
    }

    pub(super) fn len(&self) -> usize {
        self.rings.iter().map(Ring::len).sum()
    }

    pub(super) fn bytes(&self) -> usize {
        self.rings.iter().map(Ring::bytes).sum()
    }

    /// The ring in which an item of `lane`, of so many bytes, goes.
    pub(super) fn ring(&self, lane: Lane, size: usize) -> Result<usize, PublishError> {
        let ring = self.rings.iter().position(|ring| ring.lane == lane);
        let ring = ring.ok_or(PublishError::NoLane)?;
        let limit = self.rings[ring].retention.bytes;
        if size > limit {
            return Err(PublishError::TooLarge { size, limit });
        }
        Ok(ring)
    }

    /// The cursor of the next item. There is none after the highest number, which only an engine
    /// can have given.
    pub(super) fn next_cursor(&self) -> Result<Cursor, PublishError> {
        let next = self.last.checked_add(1).map(|next| self.at(next));
        next.ok_or_else(|| PublishError::NotAfter { last: self.end() })
    }

    /// Whether an item may be appended at this cursor.
    pub(super) fn check(&self, cursor: Cursor) -> Result<Cursor, PublishError> {
        if cursor.incarnation() != self.incarnation {
            return Err(PublishError::OtherIncarnation);
        }
        if cursor.number() <= self.last {
            return Err(PublishError::NotAfter { last: self.end() });
        }
        Ok(cursor)
    }

    /// Whether the log may begin anew behind `start`: a cursor is one place for ever.
    pub(super) fn check_start(&self, start: Cursor) -> Result<(), PublishError> {
        if start.incarnation() == self.incarnation && start.number() < self.last {
            return Err(PublishError::NotAfter { last: self.end() });
        }
        Ok(())
    }

    /// Appends to the ring that [`ring`](Self::ring) has found.
    pub(super) fn push(&mut self, ring: usize, item: Published<T>) {
        self.last = item.cursor().number();
        self.newest_in = Some(ring);
        self.rings[ring].push(self.last, item);
    }

    /// Takes out a portion of what exceeds the retention. The caller drops it when no lock is
    /// held (I8), and comes again if it is a full portion.
    #[inline]
    pub(super) fn evict(&mut self, now: Option<Instant>, evicted: &mut Evicted<T>) -> bool {
        for ring in &mut self.rings {
            if ring.is_over(now) {
                let more = ring.evict(now, evicted);
                self.lost = self.lost.max(ring.lost());
                if more {
                    return true;
                }
            }
        }
        false
    }

    /// Forgets all items and begins anew behind `start`. Returns what the caller drops when no
    /// lock is held (I8).
    pub(super) fn reset(&mut self, start: Cursor) -> impl Sized + use<T> {
        let forgotten: Vec<_> = self.rings.iter_mut().map(Ring::clear).collect();
        self.incarnation = start.incarnation();
        self.last = start.number();
        self.newest_in = None;
        self.lost = start.number();
        forgotten
    }

    /// The item that was appended last, for a reader that has `number` and misses none before it.
    #[inline]
    pub(super) fn newest_after(&self, number: u64) -> Option<&Published<T>> {
        // A reader of a log that is fed may be ahead of it.
        if number >= self.last {
            return None;
        }
        // A ring evicts in order: as long as it has items, the newest is among them.
        self.rings.get(self.newest_in?)?.last()
    }

    /// What a reader at `position` reads next, which moves the position. It has been told that
    /// items up to the number `told` are lost.
    pub(super) fn read(&self, position: &mut Position, told: &mut u64) -> Read<'_, T> {
        if let Some(gap) = self.gap(position, told) {
            return Read::Gap(gap);
        }
        match self.next(position.number) {
            Some((number, item)) => {
                position.number = *number;
                Read::Item(item)
            }
            None => Read::Nothing,
        }
    }

    /// What a reader at `position` reads after an item, under the same lock: so no gap comes
    /// before it.
    pub(super) fn read_batch(&self, position: &mut Position, items: &mut [Option<Published<T>>]) {
        if let [ring] = &self.rings[..] {
            let next = ring.all_after(position.number);
            for (to, (number, item)) in items.iter_mut().zip(next) {
                *to = Some(item.clone());
                position.number = *number;
            }
            return;
        }
        for to in items {
            let Some((number, item)) = self.next(position.number) else {
                return;
            };
            *to = Some(item.clone());
            position.number = *number;
        }
    }

    #[inline]
    fn next(&self, number: u64) -> Option<&(u64, Published<T>)> {
        let mut rings = self.rings.iter();
        let mut next = rings.next()?.after(number);
        for ring in rings {
            if let Some(item) = ring.after(number) {
                if next.is_none_or(|next| item.0 < next.0) {
                    next = Some(item);
                }
            }
        }
        next
    }

    /// Whether a reader at `position`, who has been told that items up to the number `told` are
    /// lost, has a gap first.
    pub(super) fn has_gap_after(&self, mut position: Position, mut told: u64) -> bool {
        self.gap(&mut position, &mut told).is_some()
    }

    fn gap(&self, position: &mut Position, told: &mut u64) -> Option<Gap> {
        let lost = self.lost;
        let known = position.number.max(*told);
        let from = Cursor::new(position.incarnation, known);
        if position.incarnation != self.incarnation {
            *position = Position::new(self.at(0));
        } else if position.number > self.last {
            // It may have read from another log with these numbers, which was fed earlier.
            if self.fed {
                return None;
            }
            // No cursor of this log is ahead of it.
            *position = Position::new(self.end());
            let to = self.end();
            return Some(Gap {
                from,
                to,
                resume: to,
            });
        } else if lost <= known {
            return None;
        }
        let to = self.at(lost);
        *told = lost;
        let precedes = |(number, _): &(u64, Published<T>)| *number <= lost;
        if self.next(position.number).is_some_and(precedes) {
            return Some(Gap {
                from,
                to,
                resume: from,
            });
        }
        position.number = lost;
        Some(Gap {
            from,
            to,
            resume: to,
        })
    }
}
