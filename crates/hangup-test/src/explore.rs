//! Every point of a handler, and every way to end it there.

use std::fmt;
use std::future::Future;
use std::rc::Rc;
#[cfg(feature = "tokio")]
use std::time::Duration;

use crate::client::Client;
use crate::ending::{Case, Ending, Order};
use crate::kind::Kind;
use crate::plan::{Act, LocalFuture, Plan, Probe};
use crate::report::{ExploreError, Report};
use crate::run::{Run, RunError, Tried, Undisturbed};
use crate::trial::Trial;

/// The variable that names the one case to be run.
const CASE: &str = "HANGUP_CASE";

/// Runs `handler` once undisturbed and counts the points at which it is suspended; then
/// again for every point and every way to end it there, each time with a fresh `server`.
///
/// `server` builds the environment of one run; its clones are what the handler gets, as
/// the state of a server is. `handler` is called for each connection, all under one key,
/// and drives the response as well: see [`Client::respond`]. What it returns is dropped.
///
/// The ways are [dropped, a panic](Ending) and a newcomer under the same key; the
/// [signal](Client::signal), if the handler asks for it; and those that the test says how
/// to do: [`close`](AbortEverywhere::close), [`shutdown`](AbortEverywhere::shutdown),
/// [`event`](AbortEverywhere::event). When all has come to rest, the
/// [ledger](crate::Ledger) must be as it was before the connection came.
///
/// It runs on this thread and sleeps nowhere: a handler that waits for what nobody wakes is
/// at rest. It is deterministic if the handler is. Ten points take milliseconds; since a
/// newcomer has points too, a hundred take many seconds.
///
/// # Examples
///
/// A handler that tells a router to resume a worker, with a fake router that writes down
/// what it is told. A client that goes while the first call is under way leaves nothing;
/// one that goes during the second leaves the worker on:
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
/// assert_eq!(first.fault().to_string(), "`ada is resumed` is left on, of the connection");
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
        plan: Plan::new(Box::new(server), handler),
        only: None,
    }
}

/// What is to be tried; made by [`abort_everywhere`].
#[must_use = "nothing is tried until `check` or `explore`"]
pub struct AbortEverywhere<E> {
    plan: Plan<E>,
    only: Option<String>,
}

impl<E: Clone + 'static> AbortEverywhere<E> {
    /// How the server closes the connection from outside: an administrator does it, or a
    /// limit. `close` says whether it has, since there may be nothing to be closed yet; if
    /// it has, the handler must end.
    pub fn close<C, F>(mut self, close: C) -> Self
    where
        C: Fn(E) -> F + 'static,
        F: Future<Output = bool> + 'static,
    {
        self.plan.close = Some(Rc::new(move |server| Box::pin(close(server))));
        self
    }

    /// How the server shuts down. When the future is complete, the process ends: tasks
    /// that are left never run on, and what is held then is left. So if all that is looked
    /// at goes with the process, and is released by a task of the server, let this wait for
    /// that task, or leave it out.
    pub fn shutdown<C, F>(mut self, shutdown: C) -> Self
    where
        C: Fn(E) -> F + 'static,
        F: Future + 'static,
    {
        self.plan.shutdown = Some(Rc::new(move |server| boxed(shutdown(server))));
        self
    }

    /// Something that happens and ends nothing: an item is published, a router restarts.
    pub fn event<C, F>(mut self, name: impl Into<String>, event: C) -> Self
    where
        C: Fn(E) -> F + 'static,
        F: Future + 'static,
    {
        let event: Rc<Act<E>> = Rc::new(move |server| boxed(event(server)));
        self.plan.events.push((name.into(), event));
        self
    }

    /// Looks between polls at how many of `name` are held: for a server that does not
    /// write into the [ledger](crate::Ledger) itself.
    ///
    /// `level` is called between two polls; a lock that a handler holds across an await is
    /// held then.
    pub fn resource(self, name: impl Into<String>, level: impl Fn(&E) -> usize + 'static) -> Self {
        self.probe(Kind::Resource, name.into(), Box::new(level))
    }

    /// Looks likewise at a permit, which a connection has to hold from its set-up to its
    /// end.
    pub fn permit(self, name: impl Into<String>, level: impl Fn(&E) -> usize + 'static) -> Self {
        self.probe(Kind::Permit, name.into(), Box::new(level))
    }

    /// Looks likewise at timers.
    pub fn timer(self, name: impl Into<String>, level: impl Fn(&E) -> usize + 'static) -> Self {
        self.probe(Kind::Timer, name.into(), Box::new(level))
    }

    /// Looks likewise whether the connection is to be found in an index.
    pub fn entry(self, index: impl Into<String>, shown: impl Fn(&E) -> bool + 'static) -> Self {
        let level = move |server: &E| usize::from(shown(server));
        self.probe(Kind::Entry, index.into(), Box::new(level))
    }

    fn probe(mut self, kind: Kind, name: String, level: Box<dyn Fn(&E) -> usize>) -> Self {
        self.plan.probes.push(Probe { kind, name, level });
        self
    }

    /// It is a fault if more than `cap` of `name` are held at once.
    pub fn at_most(mut self, cap: usize, name: impl Into<String>) -> Self {
        self.plan.caps.push((cap, name.into()));
        self
    }

    /// Tries this case alone, as a failure names it: `"3:dropped"`. The environment
    /// variable `HANGUP_CASE` does the same wherever there is such a case.
    pub fn only(mut self, case: impl Into<String>) -> Self {
        self.only = Some(case.into());
        self
    }

    /// How often a run may poll before it counts as one that never comes to rest; 100,000
    /// if this is not called.
    pub fn max_polls(mut self, polls: usize) -> Self {
        self.plan.max_polls = polls;
        self
    }

    /// Runs everything in a tokio runtime, whose clock passes only when nothing else is to
    /// be done; for handlers that spawn on it or use its timers.
    ///
    /// A task that is left on it is a fault, and so is one that is lost when the process
    /// ends. What it polls is not a point by itself. It is a runtime of its own for each
    /// run, so the test itself must not run in one: `#[test]`, not `#[tokio::test]`. It
    /// has timers and no sockets, and a panic of a task on it is not seen.
    #[cfg(feature = "tokio")]
    pub fn on_tokio(self) -> Self {
        self.on_tokio_with_patience(Duration::from_secs(300))
    }

    /// The same for handlers that wait longer for a timer than five minutes, while nothing
    /// happens.
    #[cfg(feature = "tokio")]
    pub fn on_tokio_with_patience(mut self, patience: Duration) -> Self {
        self.plan.patience = Some(patience);
        self
    }

    /// Tries all cases, and says what came of them.
    ///
    /// # Errors
    ///
    /// [`ExploreError`] if there is nothing to be tried, or no end to it.
    pub fn explore(self) -> Result<Report, ExploreError> {
        #[cfg(feature = "tokio")]
        if self.plan.patience.is_some() && ::tokio::runtime::Handle::try_current().is_ok() {
            return Err(ExploreError::InsideRuntime);
        }
        let usual = Run::undisturbed(&self.plan).map_err(|error| explore_error(error, None))?;
        if usual.points.len() < 2 {
            if usual.failures.is_empty() {
                return Err(ExploreError::NeverSuspends);
            }
            let mut report = Report::new(&usual.points, Vec::new());
            report.add(usual.failures);
            return Ok(report);
        }
        let only = match (&self.only, std::env::var(CASE)) {
            (Some(text), _) => {
                let found = self.find(text, &usual);
                Some(found.ok_or_else(|| ExploreError::NoSuchCase { case: text.clone() })?)
            }
            // It may be meant for another exploration.
            (None, Ok(text)) => self.find(&text, &usual),
            (None, Err(_)) => None,
        };
        let mut report = Report::new(&usual.points, self.endings(&usual));
        if let Some(case) = only {
            self.attempt(&case, &usual, &mut report)?;
            return Ok(report);
        }
        report.add(usual.failures.clone());
        let newcomer = Ending::Newcomer { dropped_at: None };
        for point in 0..usual.points.len() {
            let mut panics = false;
            for ending in self.endings(&usual) {
                // A panic on top of the other ends the whole test.
                if ending == newcomer || (panics && ending == Ending::Panic) {
                    continue;
                }
                let tried = self.attempt_in_each_order(point, ending, &usual, &mut report)?;
                panics |= tried.panicked;
            }
        }
        // What needs two connections comes last, so that what fails first is simple.
        for point in 0..usual.points.len() {
            let whole = newcomer.clone();
            let tried = self.attempt_in_each_order(point, whole, &usual, &mut report)?;
            for at in 0..=tried.newcomer_points {
                let dropped_at = Some(at);
                let ending = Ending::Newcomer { dropped_at };
                self.attempt_in_each_order(point, ending, &usual, &mut report)?;
                let visitor = Ending::Visitor(at);
                self.attempt_in_each_order(point, visitor, &usual, &mut report)?;
            }
            for turns in 1.. {
                let successor = Ending::Successor(turns);
                let tried = self.attempt_in_each_order(point, successor, &usual, &mut report)?;
                if !tried.had_turns {
                    break;
                }
            }
        }
        Ok(report)
    }

    /// Tries all cases and panics unless all are without fault, with a message that says
    /// for each failure where it is, what it is and how to run it alone.
    ///
    /// # Panics
    ///
    /// If there is a failure, or [`ExploreError`].
    #[track_caller]
    pub fn check(self) -> Report {
        match self.explore() {
            Ok(report) if report.is_clean() => report,
            Ok(report) => panic!("{report}"),
            Err(error) => panic!("{error}"),
        }
    }

    fn attempt_in_each_order(
        &self,
        point: usize,
        ending: Ending,
        usual: &Undisturbed,
        report: &mut Report,
    ) -> Result<Tried, ExploreError> {
        let mut case = Case {
            point,
            ending,
            order: Order::OldestFirst,
        };
        let tried = self.attempt(&case, usual, report)?;
        // Where there is one task only, they are the same.
        let several = matches!(
            case.ending,
            Ending::Newcomer { .. } | Ending::Visitor(_) | Ending::Successor(_) | Ending::Shutdown
        );
        if tried.spawned || several {
            case.order = Order::NewestFirst;
            self.attempt(&case, usual, report)?;
        }
        Ok(tried)
    }

    fn attempt(
        &self,
        case: &Case,
        usual: &Undisturbed,
        report: &mut Report,
    ) -> Result<Tried, ExploreError> {
        let mut tried = Run::case(&self.plan, usual, case)
            .map_err(|error| explore_error(error, Some(case.to_string())))?;
        report.add(std::mem::take(&mut tried.failures));
        Ok(tried)
    }

    fn endings(&self, usual: &Undisturbed) -> Vec<Ending> {
        let mut endings = Vec::new();
        endings.extend(usual.takes_signal.then_some(Ending::Signal));
        endings.extend(self.plan.close.is_some().then_some(Ending::Closed));
        endings.extend([Ending::Dropped, Ending::Panic]);
        endings.extend(self.plan.shutdown.is_some().then_some(Ending::Shutdown));
        endings.push(Ending::Newcomer { dropped_at: None });
        let events = self.plan.events.iter();
        endings.extend(events.map(|(name, _)| Ending::Event(name.clone())));
        endings
    }

    fn find(&self, text: &str, usual: &Undisturbed) -> Option<Case> {
        let case = text.parse::<Case>().ok()?;
        let offered = match case.ending {
            Ending::Newcomer { .. } | Ending::Visitor(_) | Ending::Successor(_) => true,
            ref ending => self.endings(usual).contains(ending),
        };
        (offered && case.point < usual.points.len()).then_some(case)
    }
}

fn explore_error(error: RunError, case: Option<String>) -> ExploreError {
    match error {
        RunError::Endless => ExploreError::Endless { case },
        RunError::Differs { point } => ExploreError::NotDeterministic { point },
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
