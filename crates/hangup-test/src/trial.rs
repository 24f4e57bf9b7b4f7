//! The environment of one run of a handler.

mod waits;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, ThreadId};

use crate::ledger::Ledger;
use crate::panic::wake;
use crate::party::Party;
use crate::signal::Signal;
use crate::statement::{self, TrialId};
#[cfg(feature = "hyper")]
use crate::wires::Cut;
use crate::wires::Wires;

pub use waits::{Point, Tick, Timer};

/// The payload of a panic that the kit injects.
pub(crate) const INJECTED: &str = "a panic that the race kit injected";

/// One run of a handler, and the tools to build its environment.
///
/// The closure that builds the server receives it. Fakes of the server's dependencies
/// keep a clone: to suspend the handler at a point, to spawn tasks, to tick. Everything
/// runs on the thread of the test and is deterministic.
///
/// Cloning is cheap; all clones are the same trial.
#[derive(Clone, Default)]
pub struct Trial {
    world: Arc<World>,
}

struct World {
    id: TrialId,
    ledger: Ledger,
    state: Mutex<State>,
    /// Where its tasks run, which need not be `Send`.
    thread: ThreadId,
}

impl Default for World {
    fn default() -> Self {
        // ORDERING: only the uniqueness of the number matters.
        let id = TrialId(NEXT.fetch_add(1, Ordering::Relaxed));
        Self {
            id,
            ledger: Ledger::default(),
            state: Mutex::default(),
            thread: thread::current().id(),
        }
    }
}

#[derive(Default)]
struct State {
    /// Where the task that is being polled waits.
    waits_at: Option<Waits>,
    panic_here: bool,
    /// Those who wait at a point of the first connection while these are held, or `None`.
    held: Option<Vec<Waker>>,
    /// Whether the process has ended.
    over: bool,
    /// Whether a task was spawned after the end of the process.
    lost: bool,
    now: u64,
    next: u64,
    sleepers: BTreeMap<u64, Waker>,
    responding: BTreeSet<Party>,
    /// The parties that have responded at some time.
    responded: BTreeSet<Party>,
    /// The parties whose clients ask whether they read.
    readers: BTreeSet<Party>,
    /// The parties whose clients have stopped reading.
    stalled: BTreeSet<Party>,
    wires: Wires,
    signals_taken: BTreeSet<Party>,
    signals: Vec<Signal>,
}

pub(crate) struct Spawned {
    pub(crate) party: Party,
    pub(crate) name: String,
    /// Whether it runs the handler of a connection, so that a panic there is one of the handler.
    pub(crate) serves: bool,
    pub(crate) task: Pin<Box<dyn Future<Output = ()>>>,
}

thread_local! {
    /// The new tasks of the trials of this thread. A trial cannot own them: it is `Send`.
    static SPAWNED: RefCell<Vec<(TrialId, Spawned)>> = const { RefCell::new(Vec::new()) };
}

static NEXT: AtomicU64 = AtomicU64::new(0);

#[derive(Debug, Clone)]
pub(crate) struct Waits {
    pub(crate) label: String,
    /// Whether the next poll can panic there.
    pub(crate) panics: bool,
}

impl Trial {
    /// Returns the ledger of this run.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.world.ledger
    }

    /// Returns a future that is pending once: a point at which the handler is
    /// interrupted, for instance a call to another server. `label` names it in the
    /// report.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub fn point(&self, label: impl Into<String>) -> Point {
        Point {
            trial: self.clone(),
            label: Some(label.into()),
        }
    }

    /// Marks a point between two statements, at which the handler is interrupted although
    /// it is not suspended. `label` names it in the report.
    ///
    /// On several threads, everything that another task does can happen there. So the
    /// connection is closed there, its signal fires, the server begins to shut down, a
    /// second connection arrives; then `here` returns, and the handler goes on with its
    /// next statement. Its future is not dropped there, and it does not panic.
    ///
    /// Calls for the first connection count. Outside a run, this does nothing.
    ///
    /// Do not call it while a lock is held that other connections or the probes of the
    /// test take: on the one thread of the test, they would wait for ever.
    ///
    /// # Examples
    ///
    /// The writer is added after the last look at the signal:
    ///
    /// ```
    /// use hangup_test::{Client, Race, Trial, abort_everywhere};
    ///
    /// async fn handler(trial: Trial, client: Client) {
    ///     let aborted = client.signal();
    ///     trial.point("authenticate").await;
    ///     if aborted.has_fired() {
    ///         return;
    ///     }
    ///     trial.here("between the look and the add");
    ///     trial.ledger().acquire("writer");
    ///     let ledger = trial.ledger().clone();
    ///     aborted.listen(move || ledger.release("writer"));
    ///     aborted.fired().await;
    /// }
    ///
    /// let report = abort_everywhere(Trial::clone, handler).explore()?;
    /// assert!(report.races().contains(&Race::R5));
    /// # Ok::<(), hangup_test::ExploreError>(())
    /// ```
    pub fn here(&self, label: impl Into<String>) {
        statement::reached(self.id(), label.into());
    }

    /// Spawns a task that runs beside the handlers and outlives them.
    ///
    /// It is a fault if a connection spawns a task that does not end after the connection
    /// has ended.
    ///
    /// # Panics
    ///
    /// Panics on another thread than that of the test, on which the task would run.
    #[track_caller]
    pub fn spawn<F>(&self, task: F)
    where
        F: Future + 'static,
    {
        assert!(
            self.is_of_this_thread(),
            "`Trial::spawn` is called on another thread than that of the test"
        );
        let name = format!("spawned at {}", Location::caller());
        self.spawn_named(name, Box::pin(async move { drop(task.await) }));
    }

    /// Spawns a task that runs the handler of a connection.
    #[cfg(feature = "hyper")]
    pub(crate) fn spawn_serving<F: Future + 'static>(&self, name: String, task: F) {
        assert!(
            self.is_of_this_thread(),
            "a connection is served on another thread than that of the test"
        );
        self.spawn_as(name, true, Box::pin(async move { drop(task.await) }));
    }

    pub(crate) fn is_of_this_thread(&self) -> bool {
        thread::current().id() == self.world.thread
    }

    pub(crate) fn spawn_named(&self, name: String, task: Pin<Box<dyn Future<Output = ()>>>) {
        self.spawn_as(name, false, task);
    }

    fn spawn_as(&self, name: String, serves: bool, task: Pin<Box<dyn Future<Output = ()>>>) {
        let party = self.ledger().state().actor;
        let spawned = Spawned {
            party,
            name,
            serves,
            task,
        };
        let mut state = self.state();
        if state.over {
            state.lost = true;
            drop(state);
            drop(spawned);
        } else {
            drop(state);
            SPAWNED.with_borrow_mut(|all| all.push((self.id(), spawned)));
        }
    }

    /// Creates a timer that runs until it is dropped. It ticks when no task is woken.
    pub fn timer(&self, name: impl Into<String>) -> Timer {
        let name = name.into();
        Timer {
            trial: self.clone(),
            _held: self.ledger().timer(name.clone()),
            name,
        }
    }

    /// Creates a signal that outlives connections. It is a fault if a listener of a
    /// connection remains on it after the connection has ended.
    #[must_use]
    pub fn signal(&self, name: impl Into<String>) -> Signal {
        self.make_signal(Some(name.into()))
    }

    /// Creates a signal; a signal without a name is that of a request.
    pub(crate) fn make_signal(&self, name: Option<String>) -> Signal {
        let signal = Signal::in_ledger(self.ledger().clone(), name);
        self.state().signals.push(signal.clone());
        signal
    }

    pub(crate) fn id(&self) -> TrialId {
        self.world.id
    }

    pub(crate) fn take_spawned(&self) -> Vec<Spawned> {
        let id = self.id();
        SPAWNED.with_borrow_mut(|all| {
            if all.is_empty() {
                return Vec::new();
            }
            let (own, others) = std::mem::take(all)
                .into_iter()
                .partition(|(of, _)| *of == id);
            *all = others;
            let own: Vec<_> = own;
            own.into_iter().map(|(_, spawned)| spawned).collect()
        })
    }

    pub(crate) fn begin_poll(&self, panic_here: bool) {
        let mut state = self.state();
        state.waits_at = None;
        state.panic_here = panic_here;
    }

    pub(crate) fn end_poll(&self) -> Option<Waits> {
        let mut state = self.state();
        state.panic_here = false;
        state.waits_at.take()
    }

    /// Lets no task of the first connection go on from its point.
    pub(crate) fn hold_points(&self) {
        self.state().held = Some(Vec::new());
    }

    pub(crate) fn let_points_go(&self) {
        let held = self.state().held.take();
        held.into_iter().flatten().for_each(wake);
    }

    /// Returns `true` if `waker` is called when the task may go on from its point.
    fn is_held(&self, waker: &Waker) -> bool {
        let (waker, actor) = (waker.clone(), self.ledger().state().actor);
        let mut state = self.state();
        match &mut state.held {
            Some(held) if actor == Party::First => held.push(waker),
            _ => {
                drop(state);
                return false;
            }
        }
        true
    }

    pub(crate) fn wait_at(&self, label: &str, panics: bool) {
        self.state().waits_at = Some(Waits {
            label: label.to_owned(),
            panics,
        });
    }

    /// Lets time pass. Returns `true` if a task waited for it.
    pub(crate) fn pass_time(&self) -> bool {
        let mut state = self.state();
        state.now += 1;
        let sleepers = std::mem::take(&mut state.sleepers);
        drop(state);
        let any = !sleepers.is_empty();
        sleepers.into_values().for_each(wake);
        any
    }

    /// Ends the process: no task is spawned from now on.
    pub(crate) fn end(&self) -> Vec<Spawned> {
        self.state().over = true;
        self.take_spawned()
    }

    /// Ends the run: breaks the reference cycles through signals.
    pub(crate) fn take_apart(&self) {
        let signals = std::mem::take(&mut self.state().signals);
        signals.iter().for_each(Signal::forget_listeners);
    }

    /// Returns `true` if a task was spawned after the end of the process.
    pub(crate) fn has_lost(&self) -> bool {
        self.state().lost
    }

    pub(crate) fn set_responding(&self, party: Party, responding: bool) {
        let mut state = self.state();
        if responding {
            state.responding.insert(party);
            state.responded.insert(party);
        } else {
            state.responding.remove(&party);
        }
    }

    pub(crate) fn is_responding(&self, party: Party) -> bool {
        self.state().responding.contains(&party)
    }

    /// Returns `true` if the connection is or was responding.
    pub(crate) fn has_responded(&self, party: Party) -> bool {
        self.state().responded.contains(&party)
    }

    /// Lets the client of `party` stop reading.
    pub(crate) fn stall(&self, party: Party) {
        self.state().stalled.insert(party);
    }

    /// Returns `true` if the client of `party` reads.
    pub(crate) fn reads(&self, party: Party) -> bool {
        let mut state = self.state();
        state.readers.insert(party);
        !state.stalled.contains(&party)
    }

    /// Returns `true` if the client of `party` has asked whether it reads.
    pub(crate) fn is_reader(&self, party: Party) -> bool {
        self.state().readers.contains(&party)
    }

    #[cfg(feature = "hyper")]
    pub(crate) fn pipe_opens(&self, party: Party, cut: Cut) {
        self.state().wires.open(party, cut);
    }

    /// Records that the server has come to the end of a pipe of `party`.
    #[cfg(feature = "hyper")]
    pub(crate) fn pipe_ends(&self, party: Party) {
        let is_known = self.state().wires.ends(party);
        if is_known {
            self.ledger().ended(party);
        }
    }

    /// Records that the client of `party` has gone. Over a pipe, which is cut, the connection
    /// ends once the server can know it.
    pub(crate) fn client_leaves(&self, party: Party) {
        let (is_known, cuts) = self.state().wires.leave(party);
        for cut in cuts {
            cut();
        }
        if is_known {
            self.ledger().ended(party);
        }
    }

    /// Returns `true` if the connection of `party` runs over a pipe.
    pub(crate) fn has_pipe(&self, party: Party) -> bool {
        self.state().wires.are_used(party)
    }

    pub(crate) fn note_signal_taken(&self, party: Party) {
        self.state().signals_taken.insert(party);
    }

    pub(crate) fn is_signal_taken(&self, party: Party) -> bool {
        self.state().signals_taken.contains(&party)
    }

    /// Only code of this crate runs under this lock.
    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.world.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial")
            .field("ledger", self.ledger())
            .finish_non_exhaustive()
    }
}
