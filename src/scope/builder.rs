//! A scope that is not like all others.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Scope, sweep};
use crate::deadlines::Deadlines;
use crate::group::{Gate, Group};
use crate::observer::{Clock, Observer, Watch};
use crate::runtime::Runtime;
use crate::shards::Shards;
use crate::sync::Mutex;
use crate::waiters::Waiters;

/// Coarse enough to cost nothing beside the connections that it looks at.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Builds a [`Scope`]. Made by [`Scope::builder`].
///
/// # Examples
///
/// ```
/// use std::time::Instant;
/// use hangup::{Refused, Scope, Transition};
///
/// let scope = Scope::builder()
///     .max_connections(1)
///     .observer(|t: &Transition| println!("{}: {} -> {}", t.id, t.from, t.to))
///     .clock(Instant::now)
///     .build();
/// let pending = scope.open()?;
/// assert_eq!(scope.open().unwrap_err(), Refused::Full);
/// # Ok::<(), Refused>(())
/// ```
#[derive(Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct ScopeBuilder {
    max_connections: Option<usize>,
    deadlines: Deadlines,
    runtime: Option<Arc<dyn Runtime>>,
    sweep_every: Option<Duration>,
    observer: Option<Box<dyn Observer>>,
    clock: Option<Clock>,
}

impl ScopeBuilder {
    /// At most `max` connections at once; then [`Refused::Full`](crate::Refused::Full).
    ///
    /// A connection counts from `open` until it has settled, since until then it may
    /// hold what it acquired. So the next one is admitted for certain when
    /// [`Handle::settled`](crate::Handle::settled) has resolved, and not before.
    ///
    /// Without it there is no limit.
    pub fn max_connections(mut self, max: usize) -> Self {
        self.max_connections = Some(max);
        self
    }

    /// The deadlines of every connection that is not [opened with](Scope::open_with)
    /// its own.
    ///
    /// They are kept by [`Scope::sweep`], which a scope that is given a
    /// [runtime](Self::runtime) runs by itself. With the feature `tokio`, a scope with
    /// deadlines is given the runtime in which it is built, unless it is given another.
    pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// Sets the [set-up deadline](Deadlines::setup) alone.
    pub fn setup_deadline(mut self, deadline: Duration) -> Self {
        self.deadlines = self.deadlines.setup(deadline);
        self
    }

    /// Gives the scope tasks and time, so that it keeps the deadlines by itself, on one
    /// task that ends when the scope and its connections are gone.
    ///
    /// With the feature `tokio`, that is a `tokio::runtime::Handle`, on which asynchronous
    /// undos run then, wherever they are registered.
    pub fn runtime<R>(mut self, runtime: R) -> Self
    where
        R: Runtime + 'static,
    {
        self.runtime = Some(Arc::new(runtime));
        self
    }

    /// How often deadlines are looked at, every second unless this is called: how coarse
    /// they are. It takes a moment of the processor for every connection that is open. A
    /// `period` of less than a millisecond is one of a millisecond.
    pub fn sweep_every(mut self, period: Duration) -> Self {
        self.sweep_every = Some(period);
        self
    }

    /// Tells `observer` of every transition of every connection.
    pub fn observer<O>(mut self, observer: O) -> Self
    where
        O: Observer + 'static,
    {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Lets the observer be told how long each phase lasted, by this clock:
    /// `Instant::now`, or that of a runtime whose time can be paused.
    ///
    /// It is asked whenever a transition is tried if there is an observer, else never. It
    /// runs under no lock, but must not open or move on a connection of this scope, which
    /// would ask it again. If it panics, the time is unknown.
    pub fn clock<C>(mut self, clock: C) -> Self
    where
        C: Fn() -> Instant + Send + Sync + 'static,
    {
        self.clock = Some(Box::new(clock));
        self
    }

    /// The scope, with no connection in it.
    ///
    /// # Panics
    ///
    /// If the [runtime](Self::runtime) has no timers.
    #[must_use]
    pub fn build(self) -> Scope {
        let runtime = self.runtime;
        #[cfg(feature = "tokio")]
        let runtime = runtime.or_else(|| {
            let has_deadlines = !self.deadlines.are_none();
            has_deadlines.then(crate::runtime::current).flatten()
        });
        let clock = self.clock;
        let watch = |observer| Arc::new(Watch::new(observer, clock));
        let shared = Arc::new(Group {
            gate: Gate::new(self.max_connections),
            has_deadlines: !self.deadlines.are_none(),
            deadlines: self.deadlines,
            runtime,
            sweeps: Mutex::default(),
            watch: self.observer.map(watch),
            members: Shards::default(),
            drained: Mutex::new(Waiters::default()),
        });
        if let Some(runtime) = &shared.runtime {
            let every = self.sweep_every.map_or(SWEEP_EVERY, |period| {
                // No timer is finer, and none at all would never let go.
                period.max(Duration::from_millis(1))
            });
            // Here, so that a runtime without timers is found out now.
            let first = runtime.sleep(every);
            runtime.spawn(Box::pin(sweep::run(
                Arc::downgrade(&shared),
                Arc::clone(runtime),
                first,
                every,
            )));
        }
        Scope { shared }
    }
}

impl fmt::Debug for ScopeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeBuilder")
            .field("max_connections", &self.max_connections)
            .field("deadlines", &self.deadlines)
            .field("runtime", &self.runtime.is_some())
            .field("observer", &self.observer.is_some())
            .field("clock", &self.clock.is_some())
            .finish()
    }
}
