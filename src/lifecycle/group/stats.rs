//! The counts of a scope.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use super::super::settled::UndoCounts;
use crate::state::{CloseReason, Closed, Phase, State};
use crate::sync::{Mutex, lock};

/// The connections of a [`Scope`](crate::Scope) by state, and the totals of those that
/// have settled: those of the scopes [below](crate::Scope::child) it included.
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
    /// Settled, by how they closed: for every reason of this crate, and for the first 256
    /// pairs of an [`App`](CloseReason::App) code and a phase that the scope met.
    pub closed: BTreeMap<Closed, u64>,
    /// Settled, and closed for an [`App`](CloseReason::App) code that is not in `closed`,
    /// because 256 others are.
    pub closed_other: u64,
    /// How often opening a connection failed as [`Full`](crate::OpenError::Full).
    pub refused_full: u64,
    /// How often opening a connection failed as [`Draining`](crate::OpenError::Draining).
    pub refused_draining: u64,
    /// Undos of the settled connections, including those that panicked or were abandoned.
    pub undos_run: u64,
    /// Panics of user code on behalf of connections: of undos, of the hooks of
    /// registries, and of keys and values that were dropped.
    pub panics: u64,
    /// Asynchronous undos, goodbyes and work that were
    /// [abandoned](crate::report::Settled::abandoned).
    pub undos_abandoned: u64,
}

impl Stats {
    /// How many connections are open: pending, registering or live.
    #[must_use]
    pub fn open(&self) -> usize {
        self.pending + self.registering + self.live
    }

    /// How many settled connections closed for `reason`, in any phase: of those that are in
    /// `closed`.
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
    app_other: u64,
    pub(crate) undos_run: u64,
    pub(crate) panics: u64,
    pub(crate) undos_abandoned: u64,
}

/// How a connection settles, and which codes of the application its scope counts.
#[derive(Clone, Copy)]
pub(crate) struct Settling<'a> {
    pub(crate) closed: Closed,
    pub(crate) counts: UndoCounts,
    pub(crate) app: &'a AppReasons,
}

/// The reasons of the application that a scope counts one by one: the first ones that it
/// met, up to a bound (I10).
#[derive(Default)]
pub(crate) struct AppReasons(Mutex<BTreeSet<Closed>>);

impl AppReasons {
    const MOST: usize = 256;

    fn admit(&self, closed: Closed) -> bool {
        let mut reasons = lock(&self.0);
        reasons.contains(&closed) || reasons.len() < Self::MOST && reasons.insert(closed)
    }
}

/// By phase and by the code of the reason.
type Named = [[u64; CloseReason::NAMED]; Phase::COUNT];

impl Totals {
    #[inline(always)]
    pub(crate) fn settled(&mut self, settling: Settling<'_>) {
        let Settling {
            closed,
            counts,
            app,
        } = settling;
        let named = self.named.get_or_insert_with(Box::default);
        let by_reason = &mut named[closed.from as usize];
        match by_reason.get_mut(closed.reason.code() as usize) {
            Some(count) => *count += 1,
            None => match self.app.get_mut(&closed) {
                Some(count) => *count += 1,
                None if app.admit(closed) => *self.app.entry(closed).or_default() += 1,
                None => self.app_other += 1,
            },
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
        self.closed_other += totals.app_other;
        self.undos_run += totals.undos_run;
        self.panics += totals.panics;
        self.undos_abandoned += totals.undos_abandoned;
    }
}
