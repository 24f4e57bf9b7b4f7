//! Building a scope.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Scope;
use crate::lifecycle::Lifecycle;
use crate::lifecycle::group::{AppReasons, Gate, Group, Refusals, Sweeps, UndoSlots};
use crate::lifecycle::observer::{Observer, Observing};
use crate::lifecycle::telemetry::{Audience, Clock, Telemetry};
use crate::runtime::Runtime;
use crate::sync::Mutex;
use crate::sync::shards::Shards;
use crate::sync::waiters::Waiters;
use crate::time::Deadlines;

/// Long enough for a sweep to cost little beside the connections themselves.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Builds a [`Scope`]. Made by [`Scope::builder`].
///
/// # Examples
///
/// ```
/// use std::time::Instant;
/// use hangup::report::Transition;
/// use hangup::{Handle, OpenError, Scope};
///
/// let scope = Scope::builder()
///     .max_connections(1)
///     .observer(|_: &Handle, t: &Transition| println!("{}: {} -> {}", t.id, t.from, t.to))
///     .clock(Instant::now)
///     .build();
/// let pending = scope.open()?;
/// assert_eq!(scope.open().unwrap_err(), OpenError::Full);
/// # Ok::<(), OpenError>(())
/// ```
#[derive(Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct ScopeBuilder {
    parent: Option<Arc<Group<Lifecycle>>>,
    max_connections: Option<usize>,
    deadlines: Deadlines,
    runtime: Option<Arc<dyn Runtime>>,
    sweep_every: Option<Duration>,
    swept_by_hand: bool,
    observer: Option<Arc<dyn Audience<Lifecycle>>>,
    clock: Option<Clock>,
    max_running_undos: Option<usize>,
    unsettled_after: Option<Duration>,
}

impl ScopeBuilder {
    pub(super) fn below(parent: &Arc<Group<Lifecycle>>) -> Self {
        Self {
            parent: Some(Arc::clone(parent)),
            deadlines: parent.deadlines,
            runtime: parent.runtime.clone(),
            unsettled_after: parent.unsettled_after,
            ..Self::default()
        }
    }

    /// Admits at most `max` connections at once; then opening one fails with
    /// [`OpenError::Full`](crate::OpenError::Full).
    ///
    /// A connection counts from `open` until it has settled, since until then it may hold
    /// what it acquired. So the next one is admitted for certain once
    /// [`Handle::settled`](crate::Handle::settled) has resolved, and not before.
    ///
    /// Without it there is no cap.
    pub fn max_connections(mut self, max: usize) -> Self {
        self.max_connections = Some(max);
        self
    }

    /// The deadlines of every connection that is not [opened with](Scope::open_with)
    /// deadlines of its own.
    ///
    /// A task of the scope keeps them: see [`Deadlines`].
    pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// Gives the scope its [runtime](crate::runtime): for deadlines, drains, heartbeats,
    /// signals, asynchronous undos and tasks.
    ///
    /// With the feature `tokio`, a `tokio::runtime::Handle` is one. Without this call, the
    /// scope uses the runtime of the calling thread each time it needs one.
    pub fn runtime<R>(mut self, runtime: R) -> Self
    where
        R: Runtime + 'static,
    {
        self.runtime = Some(Arc::new(runtime));
        self
    }

    /// Leaves the deadlines to the application, which calls [`Scope::sweep`]: no task sweeps,
    /// and none is needed.
    pub fn swept_by_hand(mut self) -> Self {
        self.swept_by_hand = true;
        self
    }

    /// The time between two sweeps, which is how coarse the deadlines are: a second, unless
    /// this is called. A sweep looks at every open connection. A `period` of less than a
    /// millisecond is one of a millisecond.
    ///
    /// Together with [`swept_by_hand`](Self::swept_by_hand) it says how often the application
    /// sweeps, so that [a standstill](crate::Deadlines#when-the-server-stands-still) is told
    /// from the passing of time.
    pub fn sweep_every(mut self, period: Duration) -> Self {
        self.sweep_every = Some(period);
        self
    }

    /// Tells `observer` of every transition of every connection, of refusals and of drains:
    /// see [`Observer`].
    /// In a [child](Scope::child) it takes the place of the observer of the scope above.
    pub fn observer<O>(mut self, observer: O) -> Self
    where
        O: Observer + 'static,
    {
        self.observer = Some(Arc::new(Observing(observer)));
        self
    }

    /// The clock by which the observer is told how long each phase lasted, and by which
    /// [`Handle::age`](crate::Handle::age) is measured: `Instant::now`, or the clock of a
    /// runtime whose time can be paused.
    ///
    /// It is read for each attempt at a transition. Without it the times are unknown. It runs under no lock, but must not open or change a connection of this scope, which
    /// would read it again. If it panics, the time is unknown.
    pub fn clock<C>(mut self, clock: C) -> Self
    where
        C: Fn() -> Instant + Send + Sync + 'static,
    {
        self.clock = Some(Box::new(clock));
        self
    }

    /// Lets at most `max` asynchronous undos of this scope run at once, and those that may
    /// block. Without it, and without a [cap](Self::max_connections), a burst of closes begins
    /// as many as there are connections, on what they all talk to.
    ///
    /// The next one begins when another ends, in the order in which they came. An undo that
    /// waits has not begun, and nor has its [deadline](Deadlines::undo). At the deadline of a
    /// drain it is abandoned like one that runs. A [goodbye](crate::Closing::farewell) is not
    /// counted. A `max` of 0 is one of 1.
    ///
    /// An undo that waits for another connection of the scope to settle keeps its own place while
    /// it does, and may wait for ever if the other one needs it.
    ///
    /// A [child](Scope::child) shares the places of the scope above, unless its builder is
    /// told a `max`: then it has places of its own.
    pub fn max_running_undos(mut self, max: usize) -> Self {
        self.max_running_undos = Some(max);
        self
    }

    /// Tells the [observer](Observer::on_unsettled) of each connection that has been closed for
    /// `time` and has not settled: an owner in a step, a task or an undo does not return. It is
    /// told once, with what the connection waits for.
    ///
    /// Sweeps find it, as they keep [`Deadlines`], up to three sweeps later: with this, they look
    /// at every connection of the scope. [`Scope::unsettled_for`] lists them. A [child](Scope::child) has the time of
    /// the scope above unless its builder is told another.
    pub fn unsettled_after(mut self, time: Duration) -> Self {
        self.unsettled_after = Some(time);
        self
    }

    /// The scope, with no connection in it.
    #[must_use]
    pub fn build(self) -> Scope {
        let parent = self.parent;
        let clock = self.clock;
        let above = parent.as_ref().and_then(|it| it.telemetry.as_ref());
        let telemetry = match (self.observer, clock) {
            (None, None) => above.map(Arc::clone),
            (None, clock) => {
                let audience = above.and_then(|above| above.audience());
                Some(Arc::new(Telemetry::new(audience, clock)))
            }
            (observer, clock) => Some(Arc::new(Telemetry::new(observer, clock))),
        };
        let undo_slots = match self.max_running_undos {
            Some(max) => Some(Arc::new(UndoSlots::new(max.max(1)))),
            None => parent.as_ref().and_then(|it| it.undo_slots.clone()),
        };
        // No timer is finer; a period of zero would sweep without a pause.
        let given = self.sweep_every.map(|it| it.max(Duration::from_millis(1)));
        let sweeps = match &parent {
            Some(parent) => Arc::clone(&parent.sweeps),
            None if self.swept_by_hand => Arc::new(Sweeps::new(None, given)),
            None => {
                let every = given.unwrap_or(SWEEP_EVERY);
                Arc::new(Sweeps::new(Some(every), Some(every)))
            }
        };
        Scope {
            shared: Arc::new(Group {
                depth: parent.as_ref().map_or(0, |parent| parent.depth + 1),
                parent,
                refusals: Refusals::default(),
                app_reasons: AppReasons::default(),
                counting: Mutex::new(()),
                gate: Gate::new(self.max_connections),
                unsettled_after: self.unsettled_after,
                has_deadlines: !self.deadlines.are_none() || self.unsettled_after.is_some(),
                deadlines: self.deadlines,
                runtime: self.runtime,
                sweeps,
                telemetry,
                undo_slots,
                members: Shards::default(),
                drained: Mutex::new(Waiters::default()),
                served_until: Mutex::new(None),
            }),
        }
    }
}

impl fmt::Debug for ScopeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeBuilder")
            .field("is_child", &self.parent.is_some())
            .field("max_connections", &self.max_connections)
            .field("max_running_undos", &self.max_running_undos)
            .field("deadlines", &self.deadlines)
            .field("unsettled_after", &self.unsettled_after)
            .field("runtime", &self.runtime.is_some())
            .field("observer", &self.observer.is_some())
            .field("clock", &self.clock.is_some())
            .finish()
    }
}
