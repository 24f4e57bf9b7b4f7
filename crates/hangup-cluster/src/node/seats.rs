//! The seats of a node.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hangup::report::ConnectionId;

use super::seat::LocalSeat;
use crate::key::Key;

/// How many seats are looked at under one lock.
pub(super) const PORTION: usize = 256;

/// The seats of a node, by number.
#[derive(Default)]
pub(super) struct Seats {
    by_number: BTreeMap<u64, Arc<LocalSeat>>,
    /// A connection has one seat under a key.
    by_holder: HashMap<(Key, ConnectionId), u64>,
    latest: u64,
}

impl Seats {
    pub(super) fn next_number(&mut self) -> u64 {
        self.latest += 1;
        self.latest
    }

    pub(super) fn insert(&mut self, seat: Arc<LocalSeat>) {
        self.by_holder.insert(holder(&seat), seat.seat.number);
        self.by_number.insert(seat.seat.number, seat);
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Arc<LocalSeat>> {
        let removed = self.by_number.remove(&number)?;
        self.by_holder.remove(&holder(&removed));
        Some(removed)
    }

    pub(super) fn get(&self, number: u64) -> Option<&Arc<LocalSeat>> {
        self.by_number.get(&number)
    }

    pub(super) fn of(&self, key: &Key, connection: ConnectionId) -> Option<&Arc<LocalSeat>> {
        self.get(*self.by_holder.get(&(key.clone(), connection))?)
    }

    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// The next ones after this number.
    pub(super) fn portion(&self, after: u64) -> Vec<Arc<LocalSeat>> {
        let rest = self.by_number.range(after + 1..);
        rest.map(|(_, seat)| Arc::clone(seat))
            .take(PORTION)
            .collect()
    }
}

fn holder(seat: &LocalSeat) -> (Key, ConnectionId) {
    (seat.key.clone(), seat.handle.id())
}
