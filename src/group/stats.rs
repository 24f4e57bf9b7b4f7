//! What can be counted.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use crate::settled::Tally;
use crate::state::{CloseReason, Closed, State};
use crate::word::Snapshot;

/// The connections of a [`Scope`](crate::Scope) by state, and the totals of those
/// that have settled. Together they are all that had been opened when it was asked,
/// each counted once, and some of those that were opened meanwhile. A state may have
/// moved on since it was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Admitted, nothing acquired yet.
    pub pending: usize,
    /// Being set up.
    pub registering: usize,
    /// Set up.
    pub live: usize,
    /// Closed, and not undone yet.
    pub settling: usize,
    /// Settled, by how they closed.
    pub closed: BTreeMap<Closed, u64>,
    /// Undos that have run for those that have settled.
    pub undone: u64,
    /// Panics of user code on behalf of connections: of undos, of the hooks of
    /// registries, and of keys and values that were dropped.
    pub panicked: u64,
    /// Asynchronous undos that were [not run to their
    /// end](crate::Settled::unfinished).
    pub unfinished: u64,
}

impl Stats {
    /// How many have not closed.
    #[must_use]
    pub fn open(&self) -> usize {
        self.pending + self.registering + self.live
    }

    /// How many have settled that closed for `reason`, in any phase.
    #[must_use]
    pub fn closed_as(&self, reason: CloseReason) -> u64 {
        self.closed
            .iter()
            .filter(|(closed, _)| closed.reason == reason)
            .map(|(_, count)| count)
            .sum()
    }

    pub(crate) fn count(&mut self, state: State) {
        *match state {
            State::Pending => &mut self.pending,
            State::Registering => &mut self.registering,
            State::Live => &mut self.live,
            State::Closed(_) => &mut self.settling,
        } += 1;
    }
}

/// Of those that have settled.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    closed: BTreeMap<Closed, u64>,
    /// How the last ones closed, and how many in a row: not among the above yet.
    latest: Option<(Snapshot, u64)>,
    pub(crate) undone: u64,
    pub(crate) panicked: u64,
    pub(crate) unfinished: u64,
}

impl Totals {
    #[inline]
    pub(crate) fn settled(&mut self, closed: Snapshot, tally: Tally) {
        match &mut self.latest {
            Some((latest, count)) if latest.closed_like(closed) => *count += 1,
            _ => self.begin_run(closed),
        }
        self.undone += tally.undone as u64;
        self.panicked += tally.panicked as u64;
        self.unfinished += tally.unfinished as u64;
    }
}

impl Totals {
    fn begin_run(&mut self, closed: Snapshot) {
        if let Some((before, count)) = self.latest.replace((closed, 1)) {
            *self.closed.entry(before.how_it_closed()).or_default() += count;
        }
    }
}

impl AddAssign<&Totals> for Stats {
    fn add_assign(&mut self, totals: &Totals) {
        let latest = totals
            .latest
            .map(|(latest, count)| (latest.how_it_closed(), count));
        let earlier = totals
            .closed
            .iter()
            .map(|(closed, count)| (*closed, *count));
        for (closed, count) in earlier.chain(latest) {
            *self.closed.entry(closed).or_default() += count;
        }
        self.undone += totals.undone;
        self.panicked += totals.panicked;
        self.unfinished += totals.unfinished;
    }
}
