//! Keeping the deadlines of all connections.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::Scope;
use crate::lifecycle::group::{Group, SweeperId, Turn};
use crate::lifecycle::{Handle, Lifecycle};
use crate::runtime::{self, BoxFuture, NoRuntime, Runtime};
use crate::time::Overdue;

impl Scope {
    /// Closes every connection that is past its [deadlines](crate::Deadlines) at `now`, and
    /// returns how many this call closed.
    ///
    /// A task of the scope does this, unless the scope is
    /// [swept by hand](crate::ScopeBuilder::swept_by_hand): then call it again and again,
    /// each time with a `now` that was read after the call before had returned. It looks at
    /// every connection that has not settled. If another sweep is running, on another thread
    /// or further up the stack, it does nothing. Of a [child](Self::child), it sweeps the
    /// outermost scope, and all below it.
    pub fn sweep(&self, now: Instant) -> usize {
        let shared = self.shared.outermost();
        let Some((_sweeping, time)) = shared.sweeps.begin(now) else {
            return 0;
        };
        let mut closed = 0;
        let mut overdue = Vec::new();
        for shard in 0..shared.members.count() {
            let mut end = usize::MAX;
            while end > 0 {
                let members = shared.members.lock(shard);
                let (begin, portion) = members.portion_before(end);
                end = begin;
                overdue.extend(portion.iter().filter_map(|lifecycle| {
                    let overdue = lifecycle.overdue(time)?;
                    Some((Arc::clone(lifecycle), overdue))
                }));
                // Released first: undos and wakers are user code (I8).
                drop(members);
                for (lifecycle, overdue) in overdue.drain(..) {
                    match overdue {
                        Overdue::Close(reason) => {
                            closed += usize::from(lifecycle.close(reason).is_ok());
                        }
                        Overdue::AbandonedUndo => lifecycle.abandon_overdue_undo(time),
                        Overdue::Unsettled => lifecycle.tell_unsettled(),
                    }
                }
            }
        }
        closed
    }

    /// Handles to the connections that were closed at least `time` ago and have not settled:
    /// each waits for an owner in a step, a task or an undo that does not return.
    ///
    /// The time is that of the sweeps: a close is found by the second sweep after it, and
    /// [a standstill](crate::Deadlines#when-the-server-stands-still) does not count. Only
    /// connections with [`Deadlines`](crate::Deadlines) are found, since no other is swept.
    /// They are in the order of [`handles`](Self::handles).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::{Duration, Instant};
    /// use hangup::{Deadlines, Scope};
    ///
    /// let (now, minute) = (Instant::now(), Duration::from_secs(60));
    /// let idle = Deadlines::new().idle(minute);
    /// let scope = Scope::builder().deadlines(idle).swept_by_hand().build();
    /// # let _live = scope.open()?.register()?.go_live()?;
    /// # scope.sweep(now);
    /// for handle in scope.unsettled_for(minute) {
    ///     eprintln!("{handle:?} hangs");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn unsettled_for(&self, time: Duration) -> Vec<Handle> {
        let latest = self.shared.sweeps.latest();
        let mut handles = self.handles();
        handles.retain(|handle| handle.lifecycle().is_unsettled_for(time, latest));
        handles
    }

    /// Makes sure that deadlines are kept: by the application, by the task that sweeps, or
    /// by a new task if there is none, or it has ended with its runtime.
    pub(super) fn ensure_swept(&self) -> Result<(), NoRuntime> {
        let sweeps = &self.shared.sweeps;
        let Some(every) = sweeps.every else {
            return Ok(());
        };
        if sweeps.has_sweeper() || self.start_sweeper(self.shared.runtime.as_ref(), every) {
            return Ok(());
        }
        if self.start_sweeper(runtime::current().as_ref(), every) {
            return Ok(());
        }
        Err(NoRuntime)
    }

    /// Whether a task that sweeps runs on `runtime` now. A runtime that has shut down drops
    /// the task.
    fn start_sweeper(&self, runtime: Option<&Arc<dyn Runtime>>, every: Duration) -> bool {
        let Some(runtime) = runtime else {
            return false;
        };
        let id = SweeperId::new();
        let sweeper = Sweeper {
            scope: Arc::downgrade(self.shared.outermost()),
            id: id.clone(),
        };
        let first = runtime.sleep(every);
        runtime.spawn(Box::pin(sweeper.run(Arc::clone(runtime), first, every)));
        self.shared.sweeps.confirm(&id)
    }
}

/// The task that sweeps. Threads that open the first connections may start several: the one
/// that was confirmed last goes on, the others end.
struct Sweeper {
    scope: Weak<Group<Lifecycle>>,
    id: SweeperId,
}

impl Sweeper {
    /// Sweeps until the scope and its connections are gone.
    async fn run(self, runtime: Arc<dyn Runtime>, first: BoxFuture<()>, every: Duration) {
        let mut next = first;
        loop {
            next.await;
            // Upgraded for the time of the sweep only, so that the task keeps no scope alive.
            let Some(shared) = self.scope.upgrade() else {
                return;
            };
            match shared.sweeps.turn(&self.id) {
                Turn::Sweep => {
                    Scope { shared }.sweep(runtime.now());
                }
                Turn::Wait => drop(shared),
                Turn::End => return,
            }
            next = runtime.sleep(every);
        }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(shared) = self.scope.upgrade() {
            shared.sweeps.end(&self.id);
        }
    }
}
