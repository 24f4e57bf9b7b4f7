//! The items of one lane.

use std::collections::VecDeque;
use std::time::Instant;

use super::published::Published;
use super::retention::{Lane, Retention};
use crate::shrink;

/// The most items that are evicted under one lock (I10).
const PORTION: usize = 256;

/// Items that were taken out, to be dropped when no lock is held (I8). Mostly it is one, which
/// takes no allocation.
pub(super) struct Evicted<T> {
    first: Option<Published<T>>,
    rest: Vec<Published<T>>,
}

impl<T> Default for Evicted<T> {
    fn default() -> Self {
        Self {
            first: None,
            rest: Vec::new(),
        }
    }
}

impl<T> Evicted<T> {
    /// Returns whether it is a full portion.
    fn add(&mut self, item: Published<T>) -> bool {
        match &self.first {
            None => self.first = Some(item),
            Some(_) => self.rest.push(item),
        }
        self.rest.len() == PORTION
    }
}

/// What one lane keeps, in ascending order, and what it has lost.
pub(super) struct Ring<T> {
    pub(super) lane: Lane,
    pub(super) retention: Retention,
    /// With the number of each, so that a search touches no item.
    items: VecDeque<(u64, Published<T>)>,
    bytes: usize,
    /// The number of the last item that was evicted, other than by a newer value of a lane
    /// that keeps only the latest: up to here a subscriber may have missed something.
    lost: u64,
}

impl<T> Ring<T> {
    pub(super) fn new(lane: Lane, retention: Retention) -> Self {
        Self {
            lane,
            retention,
            items: VecDeque::new(),
            bytes: 0,
            lost: 0,
        }
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The first item whose number is higher than `number`.
    #[inline]
    pub(super) fn after(&self, number: u64) -> Option<&(u64, Published<T>)> {
        self.items.get(self.index_after(number)?)
    }

    /// All items whose numbers are higher than `number`.
    pub(super) fn all_after(&self, number: u64) -> impl Iterator<Item = &(u64, Published<T>)> {
        let begin = self.index_after(number).unwrap_or(self.items.len());
        self.items.range(begin..)
    }

    #[inline]
    fn index_after(&self, number: u64) -> Option<usize> {
        let last = self.items.back()?.0;
        if last <= number {
            return None;
        }
        // Without gaps between the numbers, it is as far from the end as its number is.
        let guess = usize::try_from(last - number).ok();
        if let Some(index) = guess.and_then(|back| self.items.len().checked_sub(back)) {
            if self.items[index].0 == number + 1 {
                return Some(index);
            }
        }
        Some(self.items.partition_point(|item| item.0 <= number))
    }

    #[inline]
    pub(super) fn last(&self) -> Option<&Published<T>> {
        self.items.back().map(|(_, item)| item)
    }

    pub(super) fn push(&mut self, number: u64, item: Published<T>) {
        self.bytes += item.entry().size;
        self.items.push_back((number, item));
    }

    /// Whether the oldest item exceeds what the lane keeps, `now` for its age.
    #[inline]
    pub(super) fn is_over(&self, now: Option<Instant>) -> bool {
        let Retention { items, bytes, .. } = self.retention;
        self.items.len() > items || self.bytes > bytes || (now.is_some() && self.is_old(now))
    }

    /// Takes out a portion of what exceeds what the lane keeps, and returns whether some may be
    /// left.
    pub(super) fn evict(&mut self, now: Option<Instant>, evicted: &mut Evicted<T>) -> bool {
        while self.is_over(now) {
            // A value that was overwritten is not missed.
            let is_missed = !self.retention.latest || self.is_old(now);
            let Some((number, oldest)) = self.items.pop_front() else {
                return false;
            };
            if is_missed {
                self.lost = number;
            }
            self.bytes -= oldest.entry().size;
            if evicted.add(oldest) {
                self.shrink();
                return true;
            }
        }
        self.shrink();
        false
    }

    fn shrink(&mut self) {
        if let Some(target) = shrink::target(self.items.len(), self.items.capacity()) {
            self.items.shrink_to(target);
        }
    }

    /// Whether the oldest item is too old.
    fn is_old(&self, now: Option<Instant>) -> bool {
        let (Some(limit), Some((_, oldest)), Some(now)) =
            (self.retention.age, self.items.front(), now)
        else {
            return false;
        };
        let age = |at| now.saturating_duration_since(at);
        oldest.entry().at.is_some_and(|at| age(at) > limit)
    }

    /// Forgets all, and begins anew: in the same incarnation it was lost.
    pub(super) fn clear(&mut self, is_same: bool) -> VecDeque<(u64, Published<T>)> {
        self.bytes = 0;
        self.lost = match is_same {
            true => self.items.back().map_or(self.lost, |last| last.0),
            false => 0,
        };
        std::mem::take(&mut self.items)
    }
}
