//! A scope that is not like all others.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::gate::UNLIMITED;
use super::{Scope, Shared};
use crate::observer::{Observer, Watch};

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
    setup_deadline: Option<Duration>,
    observer: Option<Box<dyn Observer>>,
    clock: Option<Clock>,
}

pub(crate) type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

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

    /// How long a set-up may take, for whoever enforces it.
    ///
    /// The core has no clock and only keeps this: what drives the connections reads it
    /// with [`Scope::setup_deadline`], and closes as
    /// [`Expired`](crate::CloseReason::Expired) what is not live in time.
    pub fn setup_deadline(mut self, deadline: Duration) -> Self {
        self.setup_deadline = Some(deadline);
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
    #[must_use]
    pub fn build(self) -> Scope {
        let clock = self.clock;
        let watch = |observer| Arc::new(Watch::new(observer, clock));
        Scope {
            shared: Arc::new(Shared::new(
                self.max_connections.unwrap_or(UNLIMITED),
                self.setup_deadline,
                self.observer.map(watch),
            )),
        }
    }
}

impl fmt::Debug for ScopeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeBuilder")
            .field("max_connections", &self.max_connections)
            .field("setup_deadline", &self.setup_deadline)
            .field("observer", &self.observer.is_some())
            .field("clock", &self.clock.is_some())
            .finish()
    }
}
