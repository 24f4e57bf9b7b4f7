//! All there is to see of a server, one after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use hangup::report::Stats;
use hangup::{CloseReason, Closed, Phase};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::SOON;
use crate::app::{App, PERMITS, UNDOS};

/// How many ended in which phase, and why.
pub(crate) type Ended = (Phase, CloseReason, u64);

#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) stats: Stats,
    pub(crate) members: usize,
    pub(crate) permits: usize,
    pub(crate) alive: BTreeMap<&'static str, usize>,
    pub(crate) tasks: usize,
}

impl Seen {
    pub(crate) fn of(app: &App) -> Self {
        Self {
            stats: app.scope.stats(),
            members: app.registry.len(),
            permits: app.permits.available_permits(),
            alive: app.census.alive(),
            tasks: Handle::current().metrics().num_alive_tasks(),
        }
    }

    /// Everything of every connection has been given back, but what the server holds.
    pub(crate) fn is_settled(&self) -> bool {
        let stats = &self.stats;
        (stats.open(), stats.settling, self.members, self.permits) == (0, 0, 0, PERMITS)
    }

    /// How many `what` are alive.
    pub(crate) fn alive(&self, what: &str) -> usize {
        self.alive.get(what).copied().unwrap_or(0)
    }
}

impl App {
    /// Looks until it is as it should be.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Seen) -> bool) -> Seen {
        let deadline = Instant::now() + SOON;
        loop {
            let seen = Seen::of(self);
            if holds(&seen) {
                return seen;
            }
            assert!(Instant::now() < deadline, "not {what}: {seen:#?}");
            // Only to leave the processor to the server.
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until there is no trace of a connection, and no task but `idle` ones, and looks
    /// whether those that came are `closed`.
    pub(crate) async fn until_nothing_is_left(&self, idle: usize, closed: &[Ended]) {
        let seen = self
            .until("empty", |seen| {
                seen.is_settled() && seen.alive.is_empty() && seen.tasks == idle
            })
            .await;
        self.assert_closed(&seen, closed);
    }

    /// That those that came are `closed`, and undone.
    pub(crate) fn assert_closed(&self, seen: &Seen, closed: &[Ended]) {
        let expected: BTreeMap<_, _> = closed
            .iter()
            .map(|&(from, reason, count)| (Closed { reason, from }, count))
            .collect();
        let total: u64 = expected.values().sum();
        let stats = &seen.stats;
        assert_eq!(stats.closed, expected);
        let undone = (stats.undos_run, stats.panics, stats.undos_abandoned);
        assert_eq!(undone, (total * UNDOS, 0, 0));
        let ends = [CloseReason::Dropped, CloseReason::Completed];
        let ended = closed.iter().all(|(_, reason, _)| ends.contains(reason));
        self.assert_undone_in_order(ended);
    }
}
