//! What the connections of a scope share: the gate, the list of them, the totals.
//!
//! The group is generic in its members, as a slab is: a connection knows its group, and
//! the group does not know what a connection is.

mod gate;
mod stats;
mod members;
mod sweeps;

use std::sync::Arc;

use super::observer::Telemetry;
use super::settled::UndoCounts;
use crate::id::ConnectionId;
use crate::runtime::Runtime;
use crate::state::Closed;
use crate::sync::shards::Shards;
use crate::sync::waiters::Waiters;
use crate::sync::{Mutex, lock};
use crate::time::Deadlines;

pub(crate) use gate::Gate;
pub(crate) use members::Members;
pub use stats::Stats;
pub(crate) use sweeps::{SweeperId, Sweeps};

/// What a group has to know of a member.
pub(crate) trait Member {
    fn id(&self) -> ConnectionId;
    /// The index in its shard. The lock of the shard guards it.
    fn index(&self) -> usize;
    fn set_index(&self, index: usize);
    /// Sets SETTLED in the word, and returns whether a waker waits for that. Called by the
    /// group, as it removes the member.
    #[must_use]
    fn mark_settled(&self) -> bool;
}

pub(crate) struct Group<M> {
    pub(crate) gate: Gate,
    pub(crate) deadlines: Deadlines,
    /// Whether any of the deadlines is set: compared once, not at each `open`.
    pub(crate) has_deadlines: bool,
    /// The runtime that the scope was given.
    pub(crate) runtime: Option<Arc<dyn Runtime>>,
    pub(crate) sweeps: Sweeps,
    pub(crate) telemetry: Option<Arc<Telemetry>>,
    pub(crate) members: Shards<Members<M>>,
    pub(crate) drained: Mutex<Waiters>,
}

impl<M: Member> Group<M> {
    pub(crate) fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// A connection has been unwound: counts it, removes it and sets SETTLED in its word,
    /// in one step for every thread that takes the same lock. Returns whether a waker waits
    /// for that.
    #[must_use]
    pub(crate) fn settle(&self, member: &M, closed: Closed, counts: UndoCounts) -> bool {
        let mut members = self.members.lock(member.id().shard());
        let removed = members.remove(member);
        members.totals.settled(closed, counts);
        // Before SETTLED is set: a caller that has seen it is admitted.
        self.gate.leave();
        let has_waiter = member.mark_settled();
        // The last member of one of the shards is the last of all.
        let may_be_last = members.is_empty() && self.gate.is_closed();
        drop(members);
        drop(removed);
        if may_be_last {
            self.wake_if_drained();
        }
        has_waiter
    }

    /// User code panicked on behalf of a connection that had been unwound.
    pub(crate) fn panicked_late(&self, id: ConnectionId) {
        self.members.lock(id.shard()).totals.panics += 1;
    }

    /// Whether a drain has begun and no member is left. It stays true: a shard that is seen
    /// empty after the gate was closed stays empty (I6).
    pub(crate) fn is_drained(&self) -> bool {
        self.gate.is_closed() && self.members.lock_each().all(|members| members.is_empty())
    }

    pub(crate) fn wake_if_drained(&self) {
        if self.is_drained() {
            let waiters = lock(&self.drained).take();
            waiters.wake();
        }
    }
}
