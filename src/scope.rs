//! A group of connections: admits them, counts them, closes all of them.

mod builder;
mod drained;
mod sweep;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::deadlines::Deadlines;
use crate::error::Refused;
use crate::group::{Group, Stats};
use crate::handle::Handle;
use crate::id::ConnectionId;
use crate::lifecycle::Lifecycle;
use crate::live::Live;
use crate::owner::Owner;
use crate::pending::Pending;
use crate::pulse::Pulse;
use crate::registering::Registering;
use crate::runtime::Runtime;
use crate::state::CloseReason;

pub use builder::ScopeBuilder;
pub use drained::WaitForDrained;

/// A group of connections, and the only place where one begins.
///
/// Cheap to clone; all clones are the same group. It goes into the server's
/// state, beside the registries.
///
/// # Examples
///
/// ```
/// # use futures::executor::block_on;
/// use hangup::{CloseReason, Refused, Scope};
///
/// let scope = Scope::new();
/// let pending = scope.open()?;
/// assert_eq!(scope.stats().pending, 1);
///
/// // Shutdown: nothing is admitted any more, all that is open ends, and is undone.
/// scope.begin_drain();
/// assert_eq!(scope.open().unwrap_err(), Refused::Draining);
/// assert_eq!(scope.close_all(CloseReason::Shutdown), 1);
/// block_on(scope.settled());
/// assert_eq!(scope.stats().closed_as(CloseReason::Shutdown), 1);
/// # drop(pending);
/// # Ok::<(), Refused>(())
/// ```
#[derive(Clone)]
pub struct Scope {
    shared: Arc<Group<Lifecycle>>,
}

/// Connections that are closed between two looks at their shard. In a model the fewest.
const FEW: usize = if cfg!(hangup_loom) { 1 } else { 32 };

impl Scope {
    /// A new group with no connection in it, and no limit.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A group that is made to measure: with a cap, or an observer.
    pub fn builder() -> ScopeBuilder {
        ScopeBuilder::default()
    }

    /// Admits a connection.
    ///
    /// # Errors
    ///
    /// - [`Refused::Draining`] from the instant in which a drain begins: whatever
    ///   was admitted before is in the group, and found by
    ///   [`close_all`](Self::close_all).
    /// - [`Refused::Full`] while as many as the
    ///   [cap](ScopeBuilder::max_connections) have not settled.
    ///
    /// Both are decided in the same step that admits; if both are so, it is `Draining`.
    pub fn open(&self) -> Result<Pending, Refused> {
        self.admit(None)
    }

    /// Admits a connection with [`Deadlines`] of its own instead of those of the scope,
    /// as [`open`](Self::open) does otherwise.
    ///
    /// They are kept by [`sweep`](Self::sweep): give the scope a
    /// [runtime](ScopeBuilder::runtime), or see to it that it is swept.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub fn open_with(&self, deadlines: Deadlines) -> Result<Pending, Refused> {
        self.admit(Some(deadlines))
    }

    fn admit(&self, own: Option<Deadlines>) -> Result<Pending, Refused> {
        let shared = &self.shared;
        // None for nothing.
        let limited = match &own {
            None => shared.has_deadlines,
            Some(own) => !own.are_none(),
        };
        let pulse = limited.then(|| Box::new(Pulse::new(own)));
        let lifecycle = Arc::new(Lifecycle::new(
            ConnectionId::next(),
            Arc::clone(shared),
            shared.watch.as_ref(),
            pulse,
        ));
        let mut members = shared.members.lock(lifecycle.id().shard());
        // Under the lock, so that whoever looks after the gate was shut finds all
        // that were admitted before (I6).
        shared.gate.admit()?;
        members.insert(Arc::clone(&lifecycle));
        drop(members);
        lifecycle.opened();
        Ok(Pending::new(Owner::new(lifecycle)))
    }

    /// Begins a drain: [`open`](Self::open) refuses from now on, for good.
    ///
    /// What is open stays open. Follow it with [`close_all`](Self::close_all), and
    /// wait for [`settled`](Self::settled).
    pub fn begin_drain(&self) {
        self.shared.gate.shut();
        self.shared.wake_if_drained();
    }

    /// Whether a drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.gate.is_shut()
    }

    /// Closes all that are open now, and returns how many this call closed.
    ///
    /// A connection that is admitted meanwhile may stay open, unless a drain
    /// [has begun](Self::begin_drain).
    pub fn close_all(&self, reason: CloseReason) -> usize {
        let mut few = Vec::with_capacity(FEW);
        (0..self.shared.members.count())
            .map(|shard| self.shared.close_shard(shard, &mut few, reason))
            .sum()
    }

    /// Handles to all that have not settled yet. Those that one thread opened are in the
    /// order in which it did.
    #[must_use]
    pub fn handles(&self) -> Vec<Handle> {
        let mut handles: Vec<_> = (0..self.shared.members.count())
            .flat_map(|shard| self.shared.handles_in(shard))
            .collect();
        handles.sort_unstable_by_key(Handle::id);
        handles
    }

    /// Counts the connections by state. It looks at every one.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for members in self.shared.members.lock_each() {
            // Read from the words, so that no count can drift from what it counts.
            for lifecycle in members.iter() {
                stats.count(lifecycle.state());
            }
            // Under the same lock: whoever settles moves from the one to the other.
            stats += &members.totals;
        }
        stats
    }

    /// Resolves once a drain [has begun](Self::begin_drain) and the last connection
    /// has settled; at once if that is so already. It stays so.
    ///
    /// It waits without a limit: an owner that is in a set-up step and is not polled any
    /// more settles when it is dropped. Without a drain it never resolves, nor when an undo
    /// waits for it.
    ///
    /// Equivalent to `async fn settled(&self)`, but the future borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// It only observes, and leaves nothing behind when it is dropped.
    pub fn settled(&self) -> WaitForDrained {
        WaitForDrained::new(Arc::clone(&self.shared))
    }

    /// What [`ScopeBuilder::setup_deadline`] was told.
    #[must_use]
    pub fn setup_deadline(&self) -> Option<Duration> {
        self.shared.deadlines.setup
    }

    /// What [`ScopeBuilder::runtime`] was given.
    #[must_use]
    pub fn runtime(&self) -> Option<&Arc<dyn Runtime>> {
        self.shared.runtime.as_ref()
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self::new()
    }
}

impl Group<Lifecycle> {
    fn to_scope(self: &Arc<Self>) -> Scope {
        Scope {
            shared: Arc::clone(self),
        }
    }

    fn handles_in(&self, shard: usize) -> Vec<Handle> {
        let members = self.members.lock(shard);
        members.iter().cloned().map(Handle::new).collect()
    }

    /// A few at a time, so that what is looked at under the lock is still at hand when it
    /// is closed, and no more is kept alive than has to be. From the end, where who leaves
    /// moves nobody else; and who is moved goes towards the beginning, to be met there.
    fn close_shard(
        &self,
        shard: usize,
        few: &mut Vec<Arc<Lifecycle>>,
        reason: CloseReason,
    ) -> usize {
        let mut closed = 0;
        let mut end = usize::MAX;
        while end > 0 {
            let members = self.members.lock(shard);
            end = members.take_before(end, few);
            drop(members);
            for lifecycle in few.drain(..).rev() {
                closed += usize::from(lifecycle.close(reason).is_ok());
            }
        }
        closed
    }
}

macro_rules! scope {
    ($($state:ident),*) => {$(
        impl $state {
            /// The scope that the connection was opened in.
            #[must_use]
            pub fn scope(&self) -> Scope {
                self.lifecycle().group().to_scope()
            }
        }
    )*};
}
scope!(Pending, Registering, Live);

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("stats", &self.stats())
            .field("draining", &self.is_draining())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(hangup_loom)))]
mod tests {
    use super::Scope;
    use crate::registry::{Conflict, Registry};

    #[test]
    fn keys_spread_over_the_shards() {
        let (scope, registry) = (Scope::new(), Registry::new(Conflict::Reject));
        let mut setup = scope.open().unwrap().register().unwrap();
        for key in 0..1000 {
            setup.join(&registry, key, ()).unwrap();
        }
        let seats = registry.seats_per_shard();
        // There are many shards: a third of all is in none of them by chance.
        assert!(seats.iter().all(|seats| *seats < 1000 / 3));
        assert_eq!(seats.iter().sum::<usize>(), 1000);
    }

    #[test]
    fn connections_spread_over_the_shards() {
        let scope = Scope::new();
        let opened: Vec<_> = (0..1000).map(|_| scope.open().unwrap()).collect();
        let shared = &scope.shared;
        let mut shards = (0..shared.members.count()).map(|shard| shared.handles_in(shard));
        // There are many shards: a third of all is in none of them by chance.
        assert!(shards.all(|handles| handles.len() < 1000 / 3));
        drop(opened);
    }
}
