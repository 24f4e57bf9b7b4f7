//! What the connections of a scope share: the gate, the list of them, the totals.
//!
//! Generic in its members, as a slab is, so that a connection may know its group and the
//! group knows nothing of connections.

mod gate;
mod members;
mod stats;
mod sweeps;

use std::sync::Arc;

use crate::deadlines::Deadlines;
use crate::id::ConnectionId;
use crate::observer::Watch;
use crate::runtime::Runtime;
use crate::settled::Tally;
use crate::shards::Shards;
use crate::sync::{Mutex, lock};
use crate::waiters::Waiters;
use crate::word::Snapshot;

pub(crate) use gate::Gate;
pub(crate) use members::Members;
pub use stats::Stats;
pub(crate) use sweeps::Sweeps;

/// What a group has to know of a member.
pub(crate) trait Member {
    fn id(&self) -> ConnectionId;
    /// Where it stands in its shard, whose lock guards this.
    fn index(&self) -> usize;
    fn set_index(&self, index: usize);
    /// Says in the word that it has settled, and returns whether somebody waits for
    /// that. For the group, as it lets go of it.
    #[must_use]
    fn mark_settled(&self) -> bool;
}

pub(crate) struct Group<M> {
    pub(crate) gate: Gate,
    pub(crate) deadlines: Deadlines,
    pub(crate) has_deadlines: bool,
    pub(crate) runtime: Option<Arc<dyn Runtime>>,
    pub(crate) sweeps: Mutex<Sweeps>,
    pub(crate) watch: Option<Arc<Watch>>,
    pub(crate) members: Shards<Members<M>>,
    pub(crate) drained: Mutex<Waiters>,
}

impl<M: Member> Group<M> {
    pub(crate) fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// A connection has been unwound: counts it, lets go of it and says so in its
    /// word, all at once for whoever takes the same lock. Returns whether somebody waits
    /// for that.
    #[must_use]
    pub(crate) fn settle(&self, member: &M, closed: Snapshot, tally: Tally) -> bool {
        let mut members = self.members.lock(member.id().shard());
        let removed = members.remove(member);
        members.totals.settled(closed, tally);
        // The place first: who sees that this one has settled is admitted.
        self.gate.leave();
        let awaited = member.mark_settled();
        // Of the last of each shard, one is the last of all.
        let may_be_last = members.is_empty() && self.gate.is_shut();
        drop(members);
        drop(removed);
        if may_be_last {
            self.wake_if_drained();
        }
        awaited
    }

    /// An undo ran that was brought after its connection had been unwound.
    pub(crate) fn undone_late(&self, id: ConnectionId) {
        self.members.lock(id.shard()).totals.undone += 1;
    }

    /// Something panicked on behalf of a connection that had been unwound.
    pub(crate) fn panicked_late(&self, id: ConnectionId) {
        self.members.lock(id.shard()).totals.panicked += 1;
    }

    /// An asynchronous undo was given up that was brought after its connection had been
    /// unwound.
    pub(crate) fn unfinished_late(&self, id: ConnectionId) {
        self.members.lock(id.shard()).totals.unfinished += 1;
    }

    /// Once it is so, it stays so: whoever comes to a shard that was seen empty after the
    /// gate was shut sees that it is (I6).
    pub(crate) fn is_drained(&self) -> bool {
        self.gate.is_shut() && self.members.lock_each().all(|members| members.is_empty())
    }

    pub(crate) fn wake_if_drained(&self) {
        if self.is_drained() {
            let waiters = lock(&self.drained).take();
            waiters.wake();
        }
    }
}
