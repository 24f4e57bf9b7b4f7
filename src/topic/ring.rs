//! The items of one lane.

use std::collections::VecDeque;
use std::time::Instant;

use super::published::Published;
use super::retention::{Lane, Retention};
use crate::shrink;

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

    /// Takes out the oldest item if it exceeds what the lane keeps, `now` for its age.
    pub(super) fn evict(&mut self, now: Option<Instant>) -> Option<Published<T>> {
        let (number, oldest) = self.items.front()?;
        let Retention { items, bytes, .. } = self.retention;
        let is_over = self.items.len() > items || self.bytes > bytes;
        let is_old = self.is_old(oldest, now);
        if !is_over && !is_old {
            return None;
        }
        // A value that was overwritten is not missed.
        if is_old || !self.retention.latest {
            self.lost = *number;
        }
        let (_, oldest) = self.items.pop_front()?;
        self.bytes -= oldest.entry().size;
        if let Some(target) = shrink::target(self.items.len(), self.items.capacity()) {
            self.items.shrink_to(target);
        }
        Some(oldest)
    }

    fn is_old(&self, item: &Published<T>, now: Option<Instant>) -> bool {
        let (Some(limit), Some(at), Some(now)) = (self.retention.age, item.entry().at, now) else {
            return false;
        };
        now.saturating_duration_since(at) > limit
    }

    /// Forgets all, and begins anew.
    pub(super) fn clear(&mut self) -> VecDeque<(u64, Published<T>)> {
        self.bytes = 0;
        self.lost = 0;
        std::mem::take(&mut self.items)
    }
}
