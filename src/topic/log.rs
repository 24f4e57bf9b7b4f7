//! The log of a topic: its lanes, and how a subscriber reads on.

use std::time::Instant;

use super::cursor::Cursor;
use super::error::PublishError;
use super::gap::Gap;
use super::published::Published;
use super::retention::{Lane, Retention};
use super::ring::{Evicted, Ring};
use super::told::Told;

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
    /// The number behind which it began.
    start: u64,
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
            start: start.number(),
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

    /// Before all that is retained, and what the reader needs no telling of: what is not
    /// retained was lost before it came, and is no gap.
    pub(super) fn beginning(&self) -> (Position, Told) {
        let position = Position::new(self.at(0));
        let lost = self.lost;
        // Below the first one that a ring has, it has lost all before the reader came.
        let told = |ring: &Ring<T>| ring.after(0).map_or(lost, |first| lost.min(first.0 - 1));
        if self.rings.iter().all(|ring| told(ring) == lost) {
            return (position, Told::UpTo(lost));
        }
        let rings = self.rings.iter().map(told);
        (position, Told::PerRing(rings.chain([self.last]).collect()))
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
        let is_same = start.incarnation() == self.incarnation;
        let forgotten = self.rings.iter_mut().map(|ring| ring.clear(is_same));
        let forgotten: Vec<_> = forgotten.collect();
        self.incarnation = start.incarnation();
        self.last = start.number();
        self.newest_in = None;
        self.start = start.number();
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

    /// What a reader at `position` reads next, which moves the position.
    pub(super) fn read(&self, position: &mut Position, told: &mut Told) -> Read<'_, T> {
        if let Some(gap) = self.other_log(position, told) {
            return Read::Gap(gap);
        }
        let gap = self.missing(position, told);
        // What is kept up to where a gap begins comes first, so that no reader who goes on after
        // the gap misses it.
        let limit = gap.map_or(u64::MAX, |(from, _)| from);
        match (self.take_up_to(position, limit), gap) {
            (Some(item), _) => Read::Item(item),
            (None, None) => Read::Nothing,
            (None, Some((from, to))) => {
                told.tell(to);
                Read::Gap(self.gap(self.at(from), to, position))
            }
        }
    }

    /// What a reader at `position` reads after an item, under the same lock: no gap comes before
    /// it, unless the reader [misses](Self::has_gap) something.
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

    /// The next item, which moves the position, if its number is not above `limit`.
    pub(super) fn take_up_to(&self, position: &mut Position, limit: u64) -> Option<&Published<T>> {
        let (number, item) = self.next_up_to(position, limit)?;
        position.number = *number;
        Some(item)
    }

    /// Whether there is another item up to `end`.
    pub(super) fn has_up_to(&self, position: &Position, end: Cursor) -> bool {
        end.incarnation() == self.incarnation && self.next_up_to(position, end.number()).is_some()
    }

    fn next_up_to(&self, position: &Position, limit: u64) -> Option<&(u64, Published<T>)> {
        if position.incarnation != self.incarnation || position.number >= limit {
            return None;
        }
        self.next(position.number).filter(|next| next.0 <= limit)
    }

    /// Whether a reader in this log misses something further on.
    pub(super) fn has_gap(&self, position: &Position, told: &Told) -> bool {
        self.missing(position, told).is_some()
    }

    /// Up to where a reader in this log misses nothing, and the last item that it misses.
    fn missing(&self, position: &Position, told: &Told) -> Option<(u64, u64)> {
        if position.number >= self.lost {
            return None;
        }
        let known = |told: u64| position.number.max(told);
        let rings = self.rings.iter().map(Ring::lost).enumerate();
        let rings = rings.map(|(ring, lost)| (known(told.of(ring)), lost));
        // What was forgotten in an incarnation that came between, no ring knows.
        let is_anew = self.start > known(told.of(self.rings.len()));
        let reset = is_anew.then(|| (known(told.all()), self.start));
        let missed = rings.filter(|(known, lost)| lost > known).chain(reset);
        missed.reduce(|(from, to), (known, lost)| (from.min(known), to.max(lost)))
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

    /// The place of a cursor of this incarnation: none is ahead of the log, unless it is fed.
    pub(super) fn place(&self, cursor: Cursor) -> Position {
        let number = match self.fed {
            true => cursor.number(),
            false => cursor.number().min(self.last),
        };
        Position::new(Cursor::new(cursor.incarnation(), number))
    }

    /// Whether a reader that comes to `position` has a gap first.
    pub(super) fn starts_with_gap(&self, position: &Position, told: &Told) -> bool {
        let is_ahead = position.number > self.last && !self.fed;
        position.incarnation != self.incarnation || is_ahead || self.has_gap(position, told)
    }

    /// The gap of a reader whose place is in another log than this, which moves it here.
    fn other_log(&self, position: &mut Position, told: &mut Told) -> Option<Gap> {
        let at = |number| Cursor::new(position.incarnation, number);
        if position.incarnation != self.incarnation {
            let from = at(position.number.max(told.all()));
            *position = Position::new(self.at(0));
            *told = Told::UpTo(self.lost);
            return Some(self.gap(from, self.lost, position));
        }
        // It may have read from another log with these numbers, which was fed earlier.
        if position.number <= self.last || self.fed {
            return None;
        }
        // No cursor of this log is ahead of it.
        let from = at(position.number);
        *position = Position::new(self.end());
        Some(self.gap(from, self.last, position))
    }

    /// The gap up to the number `to`, of a reader at `position` that has all that is kept up to
    /// where the gap begins.
    fn gap(&self, from: Cursor, to: u64, position: &mut Position) -> Gap {
        let is_last = self.next_up_to(position, to).is_none();
        if is_last {
            position.number = to;
        }
        let to = self.at(to);
        Gap {
            from,
            to,
            resume: if is_last { to } else { from },
        }
    }
}
