//! A group of connections: admits them, counts them, closes all of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::Refused;
use crate::handle::Handle;
use crate::id::ConnectionId;
use crate::lifecycle::Lifecycle;
use crate::owner::Owner;
use crate::pending::Pending;
use crate::state::{CloseReason, Closed, State};
use crate::sync::{Mutex, lock};

/// A group of connections, and the only place where one begins.
///
/// Cheap to clone; all clones are the same group. It goes into the server's
/// state, beside the registries.
///
/// # Examples
///
/// ```
/// use hangup::{CloseReason, Refused, Scope};
///
/// let scope = Scope::new();
/// let pending = scope.open()?;
/// assert_eq!(scope.stats().pending, 1);
///
/// // Shutdown: nothing is admitted any more, and all that is open ends.
/// scope.begin_drain();
/// assert_eq!(scope.open().unwrap_err(), Refused::Draining);
/// assert_eq!(scope.close_all(CloseReason::Shutdown), 1);
/// assert!(pending.register().is_err());
/// assert_eq!(scope.stats().closed_as(CloseReason::Shutdown), 1);
/// # Ok::<(), Refused>(())
/// ```
#[derive(Clone, Default)]
pub struct Scope {
    shared: Arc<Shared>,
}

#[derive(Default)]
pub(crate) struct Shared {
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    draining: bool,
    /// From `open` until settled.
    unsettled: BTreeMap<ConnectionId, Arc<Lifecycle>>,
    closed: BTreeMap<Closed, u64>,
    undone: u64,
    panicked: u64,
}

/// The connections of a [`Scope`] by state, and the totals of those that have
/// settled. Together they are all that were ever opened, each counted once, while
/// a state may have moved on since it was looked at.
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
    /// Panics on the way: of undos, and of keys and values that were dropped.
    pub panicked: u64,
}

impl Scope {
    /// A new group with no connection in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Admits a connection.
    ///
    /// # Errors
    ///
    /// [`Refused::Draining`] from the instant in which a drain begins, in the
    /// same step that admits: whatever was admitted before is in the group.
    pub fn open(&self) -> Result<Pending, Refused> {
        let id = ConnectionId::next();
        let lifecycle = Arc::new(Lifecycle::new(id, Arc::clone(&self.shared)));
        let mut members = lock(&self.shared.members);
        if members.draining {
            return Err(Refused::Draining);
        }
        members.unsettled.insert(id, Arc::clone(&lifecycle));
        drop(members);
        Ok(Pending::new(Owner::new(lifecycle)))
    }

    /// Begins a drain: [`open`](Self::open) refuses from now on.
    ///
    /// What is open stays open. Follow it with [`close_all`](Self::close_all).
    pub fn begin_drain(&self) {
        lock(&self.shared.members).draining = true;
    }

    /// Closes all that are open now, the oldest first, and returns how many this call
    /// closed.
    ///
    /// A connection that is admitted meanwhile may stay open, unless a drain
    /// [has begun](Self::begin_drain).
    pub fn close_all(&self, reason: CloseReason) -> usize {
        self.handles()
            .iter()
            .filter(|handle| handle.close(reason).is_ok())
            .count()
    }

    /// Handles to all that have not settled yet, in the order of opening.
    #[must_use]
    pub fn handles(&self) -> Vec<Handle> {
        let members = lock(&self.shared.members);
        members
            .unsettled
            .values()
            .map(|lifecycle| Handle::new(Arc::clone(lifecycle)))
            .collect()
    }

    /// Counts the connections by state.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let members = lock(&self.shared.members);
        let mut stats = Stats {
            closed: members.closed.clone(),
            undone: members.undone,
            panicked: members.panicked,
            ..Stats::default()
        };
        // Read from the words, so that no count can drift from what it counts.
        for lifecycle in members.unsettled.values() {
            *match lifecycle.state() {
                State::Pending => &mut stats.pending,
                State::Registering => &mut stats.registering,
                State::Live => &mut stats.live,
                State::Closed(_) => &mut stats.settling,
            } += 1;
        }
        stats
    }
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
}

impl Shared {
    /// A connection has been unwound.
    pub(crate) fn settled(&self, id: ConnectionId, closed: Closed, undone: usize, panicked: usize) {
        let mut members = lock(&self.members);
        let lifecycle = members.unsettled.remove(&id);
        *members.closed.entry(closed).or_default() += 1;
        members.undone += undone as u64;
        members.panicked += panicked as u64;
        drop(members);
        drop(lifecycle);
    }

    /// An undo ran that was brought after its connection had been unwound.
    pub(crate) fn undone_late(&self, panicked: bool) {
        let mut members = lock(&self.members);
        members.undone += 1;
        members.panicked += u64::from(panicked);
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
