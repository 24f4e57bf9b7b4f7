//! What the connections of a scope share: the gate, the list of them, the totals.
//!
//! The group is generic in its members, as a slab is: a connection knows its group, and
//! the group does not know what a connection is.

mod gate;
mod stats;
mod members;
mod sweeps;
mod undo_slots;
mod admission;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::settled::UndoCounts;
use super::telemetry::Telemetry;
use crate::id::ConnectionId;
use crate::runtime::Runtime;
use crate::state::{Closed, State};
use crate::sync::shards::Shards;
use crate::sync::waiters::Waiters;
use crate::sync::{Mutex, lock};
use crate::time::Deadlines;

pub(crate) use admission::Refusals;
pub(crate) use gate::Gate;
pub(crate) use members::Members;
pub(crate) use stats::AppReasons;
pub use stats::Stats;
use stats::{Settling, Totals};
pub(crate) use sweeps::{SweeperId, Sweeps, Turn};
pub(crate) use undo_slots::UndoSlots;

/// What a group has to know of a member.
pub(crate) trait Member {
    fn id(&self) -> ConnectionId;
    fn state(&self) -> State;
    /// Meaningless as long as it is open.
    fn how_it_closed(&self) -> Closed;
    /// The index in its shard of the scope at `depth`: its own scope, or one above. The lock
    /// of the shard guards it.
    fn index(&self, depth: usize) -> usize;
    fn set_index(&self, depth: usize, index: usize);
    /// Sets SETTLED in the word, and returns whether a waker waits for that. Called by the
    /// group, as it removes the member.
    #[must_use]
    fn mark_settled(&self) -> bool;
}

/// A scope. Its connections are members of it and of every scope above it, so each scope
/// counts, closes, caps and drains all that is below it, and knows none of the scopes there.
///
/// Locks of shards nest from a scope to the one above it.
pub(crate) struct Group<M> {
    pub(crate) parent: Option<Arc<Self>>,
    /// How many scopes are above.
    pub(crate) depth: usize,
    pub(crate) gate: Gate,
    pub(crate) refusals: Refusals,
    pub(crate) deadlines: Deadlines,
    /// After how long the observer is told of a closed connection that has not settled.
    pub(crate) unsettled_after: Option<Duration>,
    /// Whether sweeps look at its connections: compared once, not at each `open`.
    pub(crate) has_deadlines: bool,
    /// The runtime that the scope was given.
    pub(crate) runtime: Option<Arc<dyn Runtime>>,
    /// Those of the outermost scope.
    pub(crate) sweeps: Arc<Sweeps>,
    pub(crate) telemetry: Option<Arc<Telemetry<M>>>,
    /// `None` if any number of asynchronous undos may run at once.
    pub(crate) undo_slots: Option<Arc<UndoSlots<M>>>,
    pub(crate) members: Shards<Members<M>>,
    pub(crate) app_reasons: AppReasons,
    /// Held while the members are counted.
    pub(crate) counting: Mutex<()>,
    pub(crate) drained: Mutex<Waiters>,
    /// When a server is to have ended, once a drain has.
    pub(crate) served_until: Mutex<Option<Instant>>,
}

/// A member that has settled.
struct Removed<M> {
    /// Dropped when no lock is held (I8).
    _member: Arc<M>,
    has_waiter: bool,
    may_be_last: bool,
}

impl<M> Group<M> {
    /// This scope and those above it, outwards.
    pub(crate) fn and_above(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |group| group.parent.as_deref())
    }

    pub(crate) fn outermost(self: &Arc<Self>) -> &Arc<Self> {
        let mut outermost = self;
        while let Some(parent) = &outermost.parent {
            outermost = parent;
        }
        outermost
    }

    /// Whether a connection without deadlines has nothing from its beginning but itself.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.depth == 0 && self.telemetry.is_none()
    }

    pub(crate) fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// Whether a drain of this scope, or of one above it, has begun.
    pub(crate) fn is_draining(&self) -> bool {
        let above = self.parent.as_ref();
        self.gate.is_closed() || above.is_some_and(|above| above.is_draining())
    }
}

impl<M: Member> Group<M> {
    /// A connection has been unwound: counts it, removes it and sets SETTLED in its word,
    /// in one step for every thread that takes the same locks. Returns whether a waker waits
    /// for that.
    #[must_use]
    #[inline]
    pub(crate) fn settle(&self, member: &M, closed: Closed, counts: UndoCounts) -> bool {
        let (has_waiter, may_be_last) = self.remove(member, closed, counts);
        if may_be_last {
            self.wake_each_drained();
        }
        has_waiter
    }

    #[cold]
    fn wake_each_drained(&self) {
        self.and_above().for_each(Self::wake_if_drained);
    }

    /// [Settles](Self::settle) members without an undo of any, those of a shard under one lock,
    /// and calls `has_waiter` with each that a waker waits for.
    pub(crate) fn settle_each(&self, settling: &[Arc<M>], has_waiter: impl Fn(&M)) {
        let shard = |member: &Arc<M>| self.members.index_of(member.id().shard());
        let (mut waited_for, mut may_be_last) = (Vec::new(), false);
        for of_shard in settling.chunk_by(|one, next| shard(one) == shard(next)) {
            for portion in of_shard.chunks(Members::<M>::PORTION) {
                let mut members = self.members.lock(shard(&portion[0]));
                for member in portion {
                    // It stays in `settling`, so that it is not dropped under the lock (I8).
                    let (closed, counts) = (member.how_it_closed(), UndoCounts::default());
                    let settled = self.remove_from(&mut members, member, closed, counts);
                    waited_for.extend(settled.has_waiter.then_some(member));
                    may_be_last |= settled.may_be_last;
                }
            }
        }
        waited_for.into_iter().for_each(|member| has_waiter(member));
        if may_be_last {
            self.wake_each_drained();
        }
    }

    /// Whether a waker waits, and whether the member may have been the last of a scope that
    /// drains.
    #[inline(always)]
    fn remove(&self, member: &M, closed: Closed, counts: UndoCounts) -> (bool, bool) {
        let mut members = self.members.lock(member.id().shard());
        let removed = self.remove_from(&mut members, member, closed, counts);
        drop(members);
        (removed.has_waiter, removed.may_be_last)
    }

    #[inline(always)]
    fn remove_from(
        &self,
        members: &mut Members<M>,
        member: &M,
        closed: Closed,
        counts: UndoCounts,
    ) -> Removed<M> {
        let app = &self.app_reasons;
        let settling = Settling {
            closed,
            counts,
            app,
        };
        let removed = members.settle(member, self.depth, settling);
        // Before SETTLED is set: a caller that has seen it is admitted.
        self.gate.leave();
        let (has_waiter, may_be_last) = match &self.parent {
            None => (member.mark_settled(), false),
            // Under this lock, so that SETTLED is set when the locks of all are held.
            Some(parent) => parent.remove_above(member, closed, counts),
        };
        // The last member of one of the shards is the last of all.
        let may_be_last = may_be_last || members.is_empty() && self.is_draining();
        Removed {
            _member: removed,
            has_waiter,
            may_be_last,
        }
    }

    #[cold]
    fn remove_above(&self, member: &M, closed: Closed, counts: UndoCounts) -> (bool, bool) {
        self.remove(member, closed, counts)
    }

    /// The member itself, which has not settled.
    pub(crate) fn share(&self, member: &M) -> Arc<M> {
        let members = self.members.lock(member.id().shard());
        Arc::clone(members.at(member.index(self.depth)))
    }

    /// User code panicked on behalf of a connection that had been unwound.
    pub(crate) fn panicked_late(&self, id: ConnectionId) {
        self.add_late(id, |totals| totals.panics += 1);
    }

    fn add_late(&self, id: ConnectionId, add: impl Fn(&mut Totals)) {
        for group in self.and_above() {
            add(&mut group.members.lock(id.shard()).totals);
        }
    }

    /// Counts the members in portions: no lock is held for more of them (I10).
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        // One at a time: a shard keeps one place that a count has come to.
        let _counting = lock(&self.counting);
        for shard in 0..self.members.count() {
            // Read from the words, so that the counts cannot drift from the states.
            while !self.members.lock(shard).count(&mut stats) {}
        }
        self.refusals.add_to(&mut stats);
        stats
    }

    /// Whether a drain has begun and no member is left. It stays true: a shard that is seen
    /// empty after the gate was closed stays empty (I6).
    pub(crate) fn is_drained(&self) -> bool {
        self.is_draining() && self.members.lock_each().all(|members| members.is_empty())
    }

    pub(crate) fn wake_if_drained(&self) {
        if self.is_drained() {
            self.wake_drained();
        }
    }

    /// A drain has ended: a server has until then.
    pub(crate) fn serve_until(&self, instant: Instant) {
        lock(&self.served_until).get_or_insert(instant);
        self.wake_drained();
    }

    /// When a server is to have ended, if a drain of this scope, or of one above it, has.
    pub(crate) fn served_until(&self) -> Option<Instant> {
        self.and_above()
            .filter_map(|group| *lock(&group.served_until))
            .min()
    }

    /// Wakes all that wait for a drain, which look again. They also wait at the scopes above
    /// theirs.
    pub(crate) fn wake_drained(&self) {
        let waiters = lock(&self.drained).take();
        waiters.wake();
    }
}
