//! The connections of a scope, each from `open` until it has settled.

use std::sync::Arc;

use super::Member;
use super::stats::{Settling, Stats, Totals};
use crate::shrink;

/// One shard of a scope. Each member knows its index, so it is removed without a search.
///
/// A member only ever moves to a lower index, so a walk from the end to the beginning, in
/// portions, misses none that was there when it began and has not settled. It may meet one
/// twice.
pub(crate) struct Members<M> {
    unsettled: Vec<Arc<M>>,
    pub(crate) totals: Totals,
    count: Option<Box<Count>>,
}

/// A count of the members that is under way, in portions.
struct Count {
    /// The members from here on are counted, or came later.
    end: usize,
    /// Those that have settled before they were counted.
    settled: Totals,
}

impl<M> Default for Members<M> {
    fn default() -> Self {
        Self {
            unsettled: Vec::new(),
            totals: Totals::default(),
            count: None,
        }
    }
}

impl<M: Member> Members<M> {
    /// The most members that are looked at under one lock (I10). In a model one, so that one
    /// shard takes several looks.
    pub(super) const PORTION: usize = if cfg!(hangup_loom) { 1 } else { 256 };

    /// `depth` is that of the scope, here and below.
    #[inline(always)]
    pub(crate) fn insert(&mut self, member: Arc<M>, depth: usize) {
        self.shrink();
        member.set_index(depth, self.unsettled.len());
        self.unsettled.push(member);
    }

    /// Moves a member to the totals.
    #[inline(always)]
    pub(crate) fn settle(&mut self, member: &M, depth: usize, settling: Settling<'_>) -> Arc<M> {
        self.totals.settled(settling);
        let mut index = member.index(depth);
        if self.count.is_some() {
            index = self.settle_during_count(index, depth, settling);
        }
        let removed = self.unsettled.swap_remove(index);
        debug_assert!(std::ptr::eq(&raw const *removed, member));
        if let Some(moved) = self.unsettled.get(index) {
            moved.set_index(depth, index);
        }
        // A list that empties is about to be empty, and one that does not shrinks at the next
        // member that comes.
        if self.unsettled.is_empty() {
            self.shrink();
        }
        removed
    }

    /// Gives memory back after a burst.
    #[inline(always)]
    fn shrink(&mut self) {
        if let Some(target) = shrink::target(self.unsettled.len(), self.unsettled.capacity()) {
            self.shrink_to(target);
        }
    }

    #[cold]
    fn shrink_to(&mut self, target: usize) {
        self.unsettled.shrink_to(target);
    }

    /// Takes the member at `index` out of those that are not counted, and returns where it
    /// is then.
    #[cold]
    fn settle_during_count(&mut self, index: usize, depth: usize, it: Settling<'_>) -> usize {
        let count = self.count.as_mut().filter(|count| index < count.end);
        let Some(count) = count else {
            return index;
        };
        count.settled.settled(it);
        // The last one that is not counted takes its place, so that those stay together.
        count.end -= 1;
        self.unsettled.swap(index, count.end);
        self.unsettled[index].set_index(depth, index);
        count.end
    }

    pub(super) fn at(&self, index: usize) -> &Arc<M> {
        &self.unsettled[index]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unsettled.is_empty()
    }

    /// The members just before index `end`, and the index of the first of them: what is
    /// looked at under one lock (I10).
    pub(crate) fn portion_before(&self, end: usize) -> (usize, &[Arc<M>]) {
        let end = end.min(self.unsettled.len());
        let begin = end.saturating_sub(Self::PORTION);
        (begin, &self.unsettled[begin..end])
    }

    /// Counts the next portion, and returns whether all are counted. Each that was there at
    /// the first call is counted once: as a member or in the totals. The caller sees to it
    /// that there is one count at a time.
    pub(super) fn count(&mut self, stats: &mut Stats) -> bool {
        let end = match &self.count {
            Some(count) => count.end,
            None => {
                *stats += &self.totals;
                self.unsettled.len()
            }
        };
        let (begin, portion) = self.portion_before(end);
        for member in portion {
            stats.count(member.state());
        }
        if begin == 0 {
            if let Some(count) = self.count.take() {
                *stats += &count.settled;
            }
            return true;
        }
        let count = self.count.get_or_insert_with(|| {
            Box::new(Count {
                end,
                settled: Totals::default(),
            })
        });
        count.end = begin;
        false
    }
}

#[cfg(all(test, not(hangup_loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::stats::AppReasons;
    use super::{Member, Members, Settling, Stats};
    use crate::id::ConnectionId;
    use crate::lifecycle::settled::UndoCounts;
    use crate::state::{CloseReason, Closed, Phase, State};

    struct Looked {
        index: AtomicUsize,
        looks: Arc<AtomicUsize>,
    }

    impl Member for Looked {
        fn id(&self) -> ConnectionId {
            unreachable!("the shard is given")
        }

        fn state(&self) -> State {
            self.looks.fetch_add(1, Ordering::Relaxed);
            State::Pending
        }

        fn how_it_closed(&self) -> Closed {
            unreachable!("none closes")
        }

        fn index(&self, _: usize) -> usize {
            self.index.load(Ordering::Relaxed)
        }

        fn set_index(&self, _: usize, index: usize) {
            self.index.store(index, Ordering::Relaxed);
        }

        fn mark_settled(&self) -> bool {
            unreachable!("none settles")
        }
    }

    fn insert(members: &mut Members<Looked>, looks: &Arc<AtomicUsize>) -> Arc<Looked> {
        let member = Arc::new(Looked {
            index: AtomicUsize::new(0),
            looks: Arc::clone(looks),
        });
        members.insert(Arc::clone(&member), 0);
        member
    }

    #[test]
    fn what_a_burst_took_is_given_back_when_none_is_left_or_at_the_next_insertion() {
        let closed = Closed {
            reason: CloseReason::Idle,
            from: Phase::Live,
        };
        for left in [0, 10] {
            let (mut members, looks) = (Members::default(), Arc::default());
            let burst: Vec<_> = (0..1_000).map(|_| insert(&mut members, &looks)).collect();
            for member in &burst[left..] {
                let settling = Settling {
                    closed,
                    counts: UndoCounts::default(),
                    app: &AppReasons::default(),
                };
                members.settle(member, 0, settling);
            }
            if left > 0 {
                assert!(members.unsettled.capacity() >= 1_000);
                insert(&mut members, &looks);
            }
            assert!(members.unsettled.capacity() < 50);
        }
    }

    #[test]
    fn i10_no_more_than_a_portion_is_looked_at_at_once() {
        let (mut members, looks) = (Members::default(), Arc::default());
        for _ in 0..1_000 {
            insert(&mut members, &looks);
        }
        let (mut stats, mut most, mut calls) = (Stats::default(), 0, 0);
        loop {
            let ended = members.count(&mut stats);
            most = most.max(looks.swap(0, Ordering::Relaxed));
            calls += 1;
            if ended {
                break;
            }
        }
        assert_eq!((stats.pending, most, calls), (1_000, 256, 4));
        assert_eq!(members.portion_before(usize::MAX).1.len(), 256);
    }
}
