//! Keeping the deadlines of all connections, now and then.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::{Scope, Shared};
use crate::pulse::Overdue;
use crate::runtime::{BoxFuture, Runtime};

impl Scope {
    /// Closes what is past its [deadlines](crate::Deadlines), `now` being the time, and
    /// returns how many connections this call closed.
    ///
    /// A scope with a [`Runtime`] does this by itself. Else it is to be called again and again,
    /// with times that do not go back. It looks at every connection that has not settled.
    pub fn sweep(&self, now: Instant) -> usize {
        let shared = &self.shared;
        let now = shared.since_first_sweep(now);
        let mut closed = 0;
        for shard in 0..shared.members.count() {
            let members = shared.members.lock(shard);
            let overdue: Vec<_> = members
                .iter()
                .filter_map(|lifecycle| Some((Arc::clone(lifecycle), lifecycle.overdue(now)?)))
                .collect();
            // Undos and wakers run when it is released (I8).
            drop(members);
            for (lifecycle, overdue) in overdue {
                match overdue {
                    Overdue::Close(reason) => {
                        closed += usize::from(lifecycle.close(reason).is_ok());
                    }
                    Overdue::AbandonUndo => lifecycle.abandon_undo(),
                }
            }
        }
        closed
    }
}

impl Shared {
    fn since_first_sweep(&self, now: Instant) -> u64 {
        let first = *self.first_sweep.get_or_init(|| now);
        let nanos = now.saturating_duration_since(first).as_nanos();
        // Not zero, which is no time.
        u64::try_from(nanos).unwrap_or(u64::MAX - 2) + 1
    }
}

/// Sweeps for as long as there is anything to sweep.
pub(super) async fn run(
    scope: Weak<Shared>,
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
