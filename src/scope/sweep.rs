//! Keeping the deadlines of all connections, now and then.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::Scope;
use crate::group::{Group, Sweeps};
use crate::lifecycle::Lifecycle;
use crate::pulse::{self, Overdue};
use crate::runtime::{BoxFuture, Runtime};
use crate::sync::{Mutex, lock};

impl Scope {
    /// Closes what is past its [deadlines](crate::Deadlines), `now` being the time, and
    /// returns how many connections this call closed.
    ///
    /// A scope with a [`Runtime`] does this by itself. Else it is to be called again and
    /// again, each time with a `now` that was read after the call before had returned. It
    /// looks at every connection that has not settled. If it is at it already, on another
    /// thread or further up the stack, it does nothing.
    pub fn sweep(&self, now: Instant) -> usize {
        let shared = &self.shared;
        let Some((_sweeping, now)) = Sweeping::begin(&shared.sweeps, now) else {
            return 0;
        };
        let mut closed = 0;
        for shard in 0..shared.members.count() {
            let members = shared.members.lock(shard);
            let overdue: Vec<_> = members
                .iter()
                .filter_map(|lifecycle| {
                    let overdue = lifecycle.overdue(now)?;
                    Some((Arc::clone(lifecycle), overdue))
                })
                .collect();
            // Undos and wakers run when it is released (I8).
            drop(members);
            for (lifecycle, overdue) in overdue {
                match overdue {
                    Overdue::Close(reason) => {
                        closed += usize::from(lifecycle.close(reason).is_ok());
                    }
                    Overdue::AbandonUndo => lifecycle.abandon_overdue_undo(now),
                }
            }
        }
        closed
    }
}

/// The one that is under way, until this is dropped.
struct Sweeping<'a>(&'a Mutex<Sweeps>);

impl<'a> Sweeping<'a> {
    /// The time of it, which does not go back, in nanoseconds since the first.
    fn begin(sweeps: &'a Mutex<Sweeps>, now: Instant) -> Option<(Self, u64)> {
        let mut state = lock(sweeps);
        if std::mem::replace(&mut state.under_way, true) {
            return None;
        }
        let first = *state.first.get_or_insert(now);
        let nanos = now.saturating_duration_since(first).as_nanos();
        let nanos = u64::try_from(nanos).unwrap_or(LAST).min(LAST) + pulse::FIRST;
        state.latest = state.latest.max(nanos);
        Some((Self(sweeps), state.latest))
    }
}

/// In three hundred years.
const LAST: u64 = u64::MAX / 2;

impl Drop for Sweeping<'_> {
    fn drop(&mut self) {
        lock(self.0).under_way = false;
    }
}

/// Sweeps for as long as there is anything to sweep.
pub(super) async fn run(
    scope: Weak<Group<Lifecycle>>,
    runtime: Arc<dyn Runtime>,
    first: BoxFuture<()>,
    every: Duration,
) {
    let mut next = first;
    loop {
        next.await;
        // A strong one only meanwhile: who is gone is not kept.
        let Some(shared) = scope.upgrade() else {
            return;
        };
        Scope { shared }.sweep(runtime.now());
        next = runtime.sleep(every);
    }
}
