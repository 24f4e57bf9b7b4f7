//! The exploration of every point of a handler and every ending.

use std::fmt;
use std::future::Future;
use std::rc::Rc;
#[cfg(feature = "tokio")]
use std::time::Duration;

use crate::client::Client;
use crate::exploration::Exploration;
use crate::kind::Kind;
use crate::plan::{Act, LocalFuture, Plan, Probe};
use crate::report::{ExploreError, Report};
use crate::trial::Trial;

/// The environment variable that selects one case.
const CASE: &str = "HANGUP_CASE";

/// Describes a test of `handler` that interrupts it at every point with every ending.
///
/// `server` builds the server of one run. Each handler receives a clone of it, as a
/// handler receives the state of a server. `handler` is called for each connection, all
/// under one key, and also drives the response with [`Client::respond`]. Its output is
/// dropped.
///
/// The endings are [dropped, a panic](crate::Ending) and a second connection under the same key;
/// the [signal](Client::signal), if the handler asks for it; and those that the test
/// supplies with [`close`](AbortEverywhere::close),
/// [`shutdown`](AbortEverywhere::shutdown) and [`event`](AbortEverywhere::event). After
/// each run, the [ledger](crate::Ledger) must show what it showed before the connection
/// arrived.
///
/// The exploration runs on this thread and never sleeps: a handler whose task is not
/// woken is idle. It is deterministic if the handler is. Ten points take milliseconds. A
/// hundred take many seconds, since the second connection has points too.
///
/// # Examples
///
/// The handler tells a router to resume a worker; the fake router records its calls. A
/// client that disconnects during the first call leaves nothing behind. One that
/// disconnects during the second leaves the worker on:
///
/// ```
/// use hangup_test::{Client, Race, Trial, abort_everywhere};
///
/// #[derive(Clone)]
/// struct Router(Trial);
///
/// impl Router {
///     async fn resume(&self) {
///         self.0.point("resume").await;
///         self.0.ledger().switch_on("ada is resumed");
///     }
///
///     async fn announce(&self) {
///         self.0.point("announce").await;
///     }
///
///     fn pause(&self) {
///         self.0.ledger().switch_off("ada is resumed");
///     }
/// }
///
/// async fn handler(router: Router, client: Client) {
///     router.resume().await;
///     router.announce().await;
///     client.respond(futures::stream::iter(["hello"])).await;
///     router.pause();
/// }
///
/// let server = |trial: &Trial| Router(trial.clone());
/// let report = abort_everywhere(server, handler).explore()?;
///
/// let first = &report.failures()[0];
/// assert_eq!(first.race(), Some(Race::R13));
/// assert_eq!(first.point(), (2, "announce"));
/// assert_eq!(first.fault().to_string(), "`ada is resumed` is left on by the connection");
/// # Ok::<(), hangup_test::ExploreError>(())
/// ```
pub fn abort_everywhere<E, S, H, F>(server: S, handler: H) -> AbortEverywhere<E>
where
    E: Clone + 'static,
    S: Fn(&Trial) -> E + 'static,
    H: Fn(E, Client) -> F + 'static,
    F: Future + 'static,
{
    let handler = Rc::new(move |server, client| boxed(handler(server, client)));
    AbortEverywhere {
        plan: Plan::new(Rc::new(server), handler),
        only: None,
    }
}

/// A test of a handler, created by [`abort_everywhere`].
#[must_use = "nothing is tried until `check` or `explore`"]
pub struct AbortEverywhere<E> {
    plan: Plan<E>,
    only: Option<String>,
}

impl<E: Clone + 'static> AbortEverywhere<E> {
    /// Sets how the server closes the connection from outside, for instance for an
    /// administrator or a limit.
    ///
    /// `close` returns whether it closed the connection, which may not exist yet. If it
    /// did, the handler must end.
    pub fn close<C, F>(mut self, close: C) -> Self
    where
        C: Fn(E) -> F + 'static,
        F: Future<Output = bool> + 'static,
    {
        self.plan.close = Some(Rc::new(move |server| Box::pin(close(server))));
        self
    }

    /// Sets how the server shuts down.
    ///
    /// The process ends when the future completes: tasks that remain are dropped, and
    /// what is held then counts as left. If everything held is released by a task of the
    /// server and goes with the process, let the future wait for that task, or omit this
    /// ending.
    pub fn shutdown<C, F>(mut self, shutdown: C) -> Self
    where
        C: Fn(E) -> F + 'static,
        F: Future + 'static,
    {
        self.plan.shutdown = Some(Rc::new(move |server| boxed(shutdown(server))));
        self
    }

    /// Adds an event that ends nothing, for instance an item is published or a router
    /// restarts. It is a fault if a connection that responds ends after it.
    pub fn event<C, F>(mut self, name: impl Into<String>, event: C) -> Self
    where
        C: Fn(E) -> F + 'static,
        F: Future + 'static,
    {
        let event: Rc<Act<E>> = Rc::new(move |server| boxed(event(server)));
        self.plan.events.push((name.into(), event));
        self
    }

    /// Adds an event that may end the connection, for instance a reload, or an operator who
    /// ends all connections of a user.
    ///
    /// [`close`](Self::close) is for what has to end it.
    pub fn event_that_ends<C, F>(mut self, name: impl Into<String>, event: C) -> Self
    where
        C: Fn(E) -> F + 'static,
        F: Future + 'static,
    {
        let name = name.into();
        self.plan.may_end.insert(name.clone());
        self.event(name, event)
    }

    /// Counts `name` between polls, for a server that does not write into the
    /// [ledger](crate::Ledger) itself.
    ///
    /// `level` runs between two polls. A lock that a handler holds across an `await` is
    /// held then.
    pub fn resource(self, name: impl Into<String>, level: impl Fn(&E) -> usize + 'static) -> Self {
        self.probe(Kind::Resource, name.into(), Rc::new(level))
    }

    /// Counts a permit between polls. A connection must hold it from its set-up to its
    /// end.
    pub fn permit(self, name: impl Into<String>, level: impl Fn(&E) -> usize + 'static) -> Self {
        self.probe(Kind::Permit, name.into(), Rc::new(level))
    }

    /// Counts timers between polls.
    pub fn timer(self, name: impl Into<String>, level: impl Fn(&E) -> usize + 'static) -> Self {
        self.probe(Kind::Timer, name.into(), Rc::new(level))
    }

    /// Checks between polls whether the connection is visible in an index.
    pub fn entry(self, index: impl Into<String>, shown: impl Fn(&E) -> bool + 'static) -> Self {
        let level = move |server: &E| usize::from(shown(server));
        self.probe(Kind::Entry, index.into(), Rc::new(level))
    }

    fn probe(mut self, kind: Kind, name: String, level: Rc<dyn Fn(&E) -> usize>) -> Self {
        self.plan.probes.push(Probe { kind, name, level });
        self
    }

    /// Sets the cap of `name`. It is a fault to hold more than `cap` at once.
    pub fn at_most(mut self, cap: usize, name: impl Into<String>) -> Self {
        self.plan.caps.push((cap, name.into()));
        self
    }

    /// Declares that a connection ends only by an ending of its own: a second connection
    /// under the same key does not take over from it, and no event ends it.
    ///
    /// Without this, a connection that ends after an [event](Self::event) or a second
    /// connection is a fault if nothing can have ended it: it has begun to
    /// [respond](Client::respond), and the second connection had set nothing in motion when
    /// it was dropped.
    pub fn stays_open(mut self) -> Self {
        self.plan.stays_open = true;
        self
    }

    /// Declares that the server keeps one connection per key: when a second one arrives,
    /// it is refused, or the first one ends. It is a fault if both stay open.
    pub fn one_per_key(mut self) -> Self {
        self.plan.one_per_key = true;
        self
    }

    /// Runs this case alone, as a failure names it: `"3:dropped"`.
    ///
    /// The environment variable `HANGUP_CASE` does the same for every exploration that
    /// has such a case.
    pub fn only(mut self, case: impl Into<String>) -> Self {
        self.only = Some(case.into());
        self
    }

    /// Sets how many polls a run may make before it counts as endless. The default is
    /// 100,000.
    pub fn max_polls(mut self, polls: usize) -> Self {
        self.plan.max_polls = polls;
        self
    }

    /// Runs everything in a tokio runtime with a paused clock, which advances when no
    /// task is woken. This is for handlers that spawn on tokio or use its timers.
    ///
    /// It is a fault if a task on the runtime remains, panics, or is lost when the process
    /// ends. Polls of such a task are no points, except those of tasks that `hangup` spawns:
    /// they are tasks of the trial. Each run has a runtime of its own, so the test must be a
    /// `#[test]` and not a `#[tokio::test]`. The runtime has timers and no sockets: a server
    /// runs over a `tokio::io::duplex`, as that of `Client::serve` does (feature `hyper`).
    ///
    /// Panics are seen by a panic hook, which is set once and calls the one before it.
    #[cfg(feature = "tokio")]
    pub fn on_tokio(self) -> Self {
        self.on_tokio_with_patience(Duration::from_secs(300))
    }

    /// Does the same for handlers that wait for a timer for longer than the default of
    /// five minutes.
    #[cfg(feature = "tokio")]
    pub fn on_tokio_with_patience(mut self, patience: Duration) -> Self {
        self.plan.patience = Some(patience);
        self
    }

    /// Runs all cases and returns their report.
    ///
    /// # Errors
    ///
    /// Returns [`ExploreError`] if there is no point to interrupt, or a run is endless.
    pub fn explore(self) -> Result<Report, ExploreError> {
        #[cfg(feature = "tokio")]
        if self.plan.patience.is_some() && ::tokio::runtime::Handle::try_current().is_ok() {
            return Err(ExploreError::InsideRuntime);
        }
        let exploration = Exploration::begin(self.plan)?;
        let only = match (&self.only, std::env::var(CASE)) {
            (Some(text), _) => {
                let found = exploration.find(text);
                Some(found.ok_or_else(|| ExploreError::NoSuchCase { case: text.clone() })?)
            }
            // The variable may select a case of another exploration.
            (None, Ok(text)) => exploration.find(&text),
            (None, Err(_)) => None,
        };
        match only {
            Some(case) => exploration.alone(&case),
            None => exploration.all(),
        }
    }

    /// Runs all cases and returns their report if none failed.
    ///
    /// The message of the panic contains the place, the fault and the command of each
    /// failure.
    ///
    /// # Panics
    ///
    /// Panics if a case fails, or with [`ExploreError`].
    #[track_caller]
    pub fn check(self) -> Report {
        match self.explore() {
            Ok(report) if report.is_clean() => report,
            Ok(report) => panic!("{report}"),
            Err(error) => panic!("{error}"),
        }
    }
}

fn boxed<F: Future + 'static>(future: F) -> LocalFuture<()> {
    Box::pin(async move { drop(future.await) })
}

impl<E> fmt::Debug for AbortEverywhere<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortEverywhere")
            .field("close", &self.plan.close.is_some())
            .field("shutdown", &self.plan.shutdown.is_some())
            .field("events", &self.plan.events.len())
            .field("probes", &self.plan.probes.len())
            .finish_non_exhaustive()
    }
}
