//! A group of connections: admits them, counts them, closes all of them.

mod builder;
mod sweep;
mod drained;
mod turn;
mod drain;
mod drain_after;
mod serve;
mod abort_on;

use std::fmt;
use std::sync::Arc;

use crate::connection::{Live, Owner, Pending, Registering};
use crate::error::{Error, OpenError};
use crate::id::ConnectionId;
use crate::lifecycle::group::{Group, Stats};
use crate::lifecycle::telemetry::DrainEvent;
use crate::lifecycle::{Batch, Handle, Lifecycle};
use crate::runtime::Runtime;
use crate::state::CloseReason;
use crate::time::{Deadlines, Timers};

pub use builder::ScopeBuilder;
pub use drain::{AbandonedUndo, Drain, DrainReport, Unsettled};
pub use drain_after::DrainAfter;
pub use drained::Drained;
pub use serve::Serve;

/// A group of connections, and the only way to open one.
///
/// Cheap to clone; all clones are the same group. It belongs into the server's state,
/// beside the registries.
///
/// # Examples
///
/// ```
/// # use futures::executor::block_on;
/// use hangup::{CloseReason, OpenError, Scope};
///
/// let scope = Scope::new();
/// let pending = scope.open()?;
/// assert_eq!(scope.stats().pending, 1);
///
/// // Shutdown: the scope admits nothing any more, and every connection closes and is undone.
/// scope.begin_drain();
/// assert_eq!(scope.open().unwrap_err(), OpenError::Draining);
/// assert_eq!(scope.close_all(CloseReason::Shutdown), 1);
/// block_on(scope.drained());
/// assert_eq!(scope.stats().closed_as(CloseReason::Shutdown), 1);
/// # drop(pending);
/// # Ok::<(), OpenError>(())
/// ```
#[derive(Clone)]
pub struct Scope {
    shared: Arc<Group<Lifecycle>>,
}

impl Scope {
    /// A new group with no connection in it, and no cap.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Builds a group with a cap, deadlines, a runtime or an observer.
    pub fn builder() -> ScopeBuilder {
        ScopeBuilder::default()
    }

    /// Builds a scope within this one: for a tenant or a route, with a cap, a drain and
    /// counts of its own.
    ///
    /// A connection that is opened in the child is in both: it counts against both caps, it
    /// is in the stats and the handles of both, and a drain or
    /// [`close_all`](Self::close_all) of either closes it. A drain of the child leaves this
    /// scope open.
    ///
    /// Unless the builder is told otherwise, the child has the deadlines, the runtime and the
    /// observer of this scope. It is swept with this scope, as this scope is:
    /// [`sweep_every`](ScopeBuilder::sweep_every) and
    /// [`swept_by_hand`](ScopeBuilder::swept_by_hand) have no effect on it. Its settled
    /// connections stay counted here when it is gone; nothing else is left of it.
    ///
    /// A child costs 4 KiB on up to four cores, and more on more. Each scope above its own
    /// costs a connection one more short lock when it is opened and when it settles.
    ///
    /// # Examples
    ///
    /// ```
    /// use hangup::{CloseReason, OpenError, Scope};
    ///
    /// let server = Scope::builder().max_connections(1000).build();
    /// let tenant = server.child().max_connections(1).build();
    /// let pending = tenant.open()?;
    /// assert_eq!(tenant.open().unwrap_err(), OpenError::Full);
    /// assert_eq!(server.stats().pending, 1);
    ///
    /// // This tenant goes, the others stay.
    /// tenant.begin_drain();
    /// tenant.close_all(CloseReason::Shutdown);
    /// assert_eq!(server.stats().closed_as(CloseReason::Shutdown), 1);
    /// assert!(server.open().is_ok());
    /// # drop(pending);
    /// # Ok::<(), OpenError>(())
    /// ```
    pub fn child(&self) -> ScopeBuilder {
        ScopeBuilder::below(&self.shared)
    }

    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// - [`OpenError::Draining`] from the instant in which a drain begins: what was opened
    ///   before is in the group, and [`close_all`](Self::close_all) finds it.
    /// - [`OpenError::Full`] while as many connections as the
    ///   [cap](ScopeBuilder::max_connections) have not settled.
    /// - [`OpenError::NoRuntime`] if the scope has deadlines, is not
    ///   [swept by hand](ScopeBuilder::swept_by_hand), and there is no
    ///   [runtime](crate::runtime) that keeps them.
    ///
    /// The first two are decided in the same step that admits; if both apply, the error is
    /// `Draining`. They hold for the scopes above this one too. They are decided before
    /// anything is allocated for the connection, and [counted](Stats::refused_full). On an
    /// error nothing else has changed.
    ///
    /// # Panics
    ///
    /// If a runtime is needed, and it is a tokio runtime without timers.
    pub fn open(&self) -> Result<Pending, OpenError> {
        self.admit(None, self.shared.has_deadlines)
    }

    /// Opens a connection that acquires nothing, and takes it to [`Live`] at once.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open), and [`Error::Closed`] if it was closed on the way.
    ///
    /// # Panics
    ///
    /// As [`open`](Self::open).
    ///
    /// # Examples
    ///
    /// ```
    /// # use futures::{StreamExt, executor::block_on, stream};
    /// use hangup::Scope;
    ///
    /// let scope = Scope::new();
    /// let ticks = scope.live()?.stream(stream::iter(0..3));
    /// assert_eq!(scope.stats().live, 1);
    /// assert_eq!(block_on(ticks.collect::<Vec<_>>()), [0, 1, 2]);
    /// # Ok::<(), hangup::Error>(())
    /// ```
    pub fn live(&self) -> Result<Live, Error> {
        Ok(self.open()?.register()?.go_live()?)
    }

    /// Opens a connection with [`Deadlines`] of its own: what `change` makes of
    /// [those of the scope](Self::deadlines).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::{Duration, Instant};
    /// use hangup::{Deadlines, Scope};
    ///
    /// let idle = Deadlines::new().idle(Duration::from_secs(60));
    /// let scope = Scope::builder().deadlines(idle).swept_by_hand().build();
    /// let token_expires = Instant::now() + Duration::from_secs(600);
    /// let pending = scope.open_with(|deadlines| deadlines.expires_at(token_expires))?;
    /// # Ok::<(), hangup::OpenError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open), for these deadlines.
    ///
    /// # Panics
    ///
    /// As [`open`](Self::open).
    pub fn open_with<F>(&self, change: F) -> Result<Pending, OpenError>
    where
        F: FnOnce(Deadlines) -> Deadlines,
    {
        let own = change(self.shared.deadlines);
        let is_swept = !own.are_none() || self.shared.unsettled_after.is_some();
        self.admit(Some(own), is_swept)
    }

    /// The deadlines of the connections that are not [opened with](Self::open_with) their
    /// own.
    pub fn deadlines(&self) -> Deadlines {
        self.shared.deadlines
    }

    #[inline]
    fn admit(&self, own: Option<Deadlines>, is_swept: bool) -> Result<Pending, OpenError> {
        let shared = &self.shared;
        // Before anything is made for the connection: a flood that is refused costs little.
        let place = self.observed(shared.reserve())?;
        let timers = if is_swept {
            self.ensure_swept()?;
            let expires = own.as_ref().unwrap_or(&shared.deadlines).expires_at;
            let expires = expires.map(|instant| shared.sweeps.date(instant));
            Some(Timers::new(own, expires))
        } else {
            None
        };
        let lifecycle = Lifecycle::new(Arc::clone(shared), timers);
        self.observed(place.enter(&lifecycle))?;
        lifecycle.opened();
        Ok(Pending::new(Owner::new(lifecycle)))
    }

    /// Begins a drain: from now on [`open`](Self::open) refuses, for good.
    ///
    /// Open connections stay open. [`drain`](Self::drain) does all of it; by hand, follow
    /// with [`close_all`](Self::close_all), and wait for [`drained`](Self::drained).
    /// A drain of a scope is one of all scopes [below](Self::child) it.
    pub fn begin_drain(&self) {
        if self.shared.gate.close() {
            self.tell(DrainEvent::Begun);
        }
        self.shared.wake_drained();
    }

    /// Whether a drain of this scope, or of one above it, has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.is_draining()
    }

    /// Closes all open connections, and returns how many this call closed.
    ///
    /// Those that have no undo settle in batches, before this returns: up to a thousand are
    /// closed, then all of these give their keys back. In between a key of one of them is
    /// [`Settling`](crate::KeyError::Settling), to a waker or an observer that runs there, and to
    /// other threads for as long as these take. Before one of the connections runs its undos, the
    /// batch settles. One in set-up settles when its owner goes, and one that another call has
    /// closed, when that call goes on.
    ///
    /// A connection that is opened during the call may stay open, unless a drain
    /// [has begun](Self::begin_drain).
    pub fn close_all(&self, reason: CloseReason) -> usize {
        let mut batch = Batch::new(&self.shared);
        (0..self.shared.members.count())
            .map(|shard| self.shared.close_shard(shard, reason, &mut batch))
            .sum()
    }

    /// Handles to all connections that have not settled. The connections that one thread
    /// opened are in the order of their opening.
    #[must_use]
    pub fn handles(&self) -> Vec<Handle> {
        let mut handles: Vec<_> = (0..self.shared.members.count())
            .flat_map(|shard| self.shared.handles_in(shard))
            .collect();
        handles.sort_unstable_by_key(Handle::id);
        handles.dedup();
        handles
    }

    /// A handle to the connection with this id, or `None` if this scope has none that has not
    /// settled. Looks through a part of the connections, 256 under a lock at a time.
    ///
    /// # Examples
    ///
    /// ```
    /// use hangup::{CloseReason, Scope, report::ConnectionId};
    ///
    /// let scope = Scope::new();
    /// let pending = scope.open()?;
    /// // From the path of a request.
    /// let id: ConnectionId = pending.id().to_string().parse()?;
    /// scope.connection(id).unwrap().close(CloseReason::App(1))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn connection(&self, id: ConnectionId) -> Option<Handle> {
        let mut end = usize::MAX;
        while end > 0 {
            let members = self.shared.members.lock(id.shard());
            let (begin, portion) = members.portion_before(end);
            if let Some(found) = portion.iter().find(|member| member.id() == id) {
                return Some(Handle::new(Arc::clone(found)));
            }
            end = begin;
        }
        None
    }

    /// The [cap](ScopeBuilder::max_connections) of this scope, if it has one.
    #[must_use]
    pub fn max_connections(&self) -> Option<usize> {
        self.shared.gate.max()
    }

    /// Counts the connections by state. Reads the state of every connection.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Tells the observer of a refusal.
    #[inline]
    fn observed<T>(&self, admission: Result<T, OpenError>) -> Result<T, OpenError> {
        if let (Err(refused), Some(telemetry)) = (&admission, &self.shared.telemetry) {
            telemetry.refused(*refused);
        }
        admission
    }

    fn tell(&self, event: DrainEvent) {
        if let Some(telemetry) = &self.shared.telemetry {
            telemetry.drain(&event);
        }
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

    /// May contain a connection twice.
    fn handles_in(&self, shard: usize) -> Vec<Handle> {
        let mut handles = Vec::new();
        let mut end = usize::MAX;
        while end > 0 {
            let members = self.members.lock(shard);
            let (begin, portion) = members.portion_before(end);
            handles.extend(portion.iter().cloned().map(Handle::new));
            end = begin;
        }
        handles
    }

    fn close_shard(&self, shard: usize, reason: CloseReason, batch: &mut Batch<'_>) -> usize {
        let mut closed = 0;
        let mut end = usize::MAX;
        while end > 0 {
            let members = self.members.lock(shard);
            let (begin, portion) = members.portion_before(end);
            batch.collect(portion);
            end = begin;
            drop(members);
            closed += batch.close_collected(reason);
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
        let slots = registry.slots_per_shard();
        // With so many shards, no shard has a third of all by chance.
        assert!(slots.iter().all(|slots| *slots < 1000 / 3));
        assert_eq!(slots.iter().sum::<usize>(), 1000);
    }

    #[test]
    fn connections_spread_over_the_shards() {
        let scope = Scope::new();
        let opened: Vec<_> = (0..1000).map(|_| scope.open().unwrap()).collect();
        let shared = &scope.shared;
        let mut shards = (0..shared.members.count()).map(|shard| shared.handles_in(shard));
        // With so many shards, no shard has a third of all by chance.
        assert!(shards.all(|handles| handles.len() < 1000 / 3));
        drop(opened);
    }
}
