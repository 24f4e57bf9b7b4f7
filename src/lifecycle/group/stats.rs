//! The counts of a scope.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use super::super::settled::UndoCounts;
use crate::state::{CloseReason, Closed, Phase, State};

/// The connections of a [`Scope`](crate::Scope) by state, and the totals of those that
/// have settled.
///
/// Every connection that was opened before the call is counted exactly once; of the
/// connections that are opened during the call, some are counted. A state may change right
/// after it was read.
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
    /// Undos of the settled connections, including those that panicked or were abandoned.
    pub undos_run: u64,
    /// Panics of user code on behalf of connections: of undos, of the hooks of
    /// registries, and of keys and values that were dropped.
    pub panics: u64,
    /// Asynchronous undos that were [abandoned](crate::Settled::abandoned).
    pub undos_abandoned: u64,
}

impl Stats {
    /// How many connections are open: pending, registering or live.
    #[must_use]
    pub fn open(&self) -> usize {
        self.pending + self.registering + self.live
    }

    /// How many settled connections closed for `reason`, in any phase.
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

/// The totals of the settled connections of one shard.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// `None` until the first connection has settled: most scopes have more shards than
    /// connections.
    named: Option<Box<Named>>,
    /// The reasons of the application.
    app: BTreeMap<Closed, u64>,
    pub(crate) undos_run: u64,
    pub(crate) panics: u64,
    pub(crate) undos_abandoned: u64,
}

/// By phase and by the code of the reason.
type Named = [[u64; CloseReason::NAMED]; Phase::COUNT];

impl Totals {
    #[inline]
    pub(crate) fn settled(&mut self, closed: Closed, counts: UndoCounts) {
        let named = self.named.get_or_insert_with(Box::default);
        let by_reason = &mut named[closed.from as usize];
        match by_reason.get_mut(closed.reason.code() as usize) {
            Some(count) => *count += 1,
            None => *self.app.entry(closed).or_default() += 1,
        }
        self.undos_run += counts.run as u64;
        self.panics += counts.panics as u64;
        self.undos_abandoned += counts.abandoned as u64;
    }

    fn named(&self) -> impl Iterator<Item = (Closed, u64)> {
        let phases = [Phase::Pending, Phase::Registering, Phase::Live];
        let named = self.named.iter().flat_map(|named| named.iter());
        phases.into_iter().zip(named).flat_map(|(from, counts)| {
            (0..).zip(counts).map(move |(code, count)| {
                let reason = CloseReason::from_code(code, 0);
                (Closed { reason, from }, *count)
            })
        })
    }
}

impl AddAssign<&Totals> for Stats {
    fn add_assign(&mut self, totals: &Totals) {
        let app = totals.app.iter().map(|(closed, count)| (*closed, *count));
        for (closed, count) in totals.named().filter(|(_, count)| *count > 0).chain(app) {
            *self.closed.entry(closed).or_default() += count;
        }
        self.undos_run += totals.undos_run;
        self.panics += totals.panics;
        self.undos_abandoned += totals.undos_abandoned;
    }
}
