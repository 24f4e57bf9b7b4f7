//! What one run of a handler has for its environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::ledger::{Held, Ledger};
use crate::panic::wake;
use crate::party::Party;
use crate::signal::Signal;

/// What is thrown where a panic is wanted.
pub(crate) const INJECTED: &str = "a panic that the race kit injected";

/// One run of a handler: what its environment is built on.
///
/// The closure that builds the environment gets it, and keeps a clone where a fake of the
/// server's own parts needs it: to be a place where a handler waits, to spawn, to tick.
/// Everything is deterministic and runs on the thread of the test.
///
/// Cheap to clone; all clones are the same trial.
#[derive(Clone, Default)]
pub struct Trial {
    world: Arc<World>,
}

#[derive(Default)]
struct World {
    ledger: Ledger,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    spawned: Vec<Spawned>,
    /// What the task that is being polled has come to wait for.
    waits_at: Option<Waits>,
    panic_here: bool,
    /// The process has ended.
    over: bool,
    /// Something was spawned after that.
    lost: bool,
    now: u64,
    next: u64,
    sleepers: BTreeMap<u64, Waker>,
    responding: BTreeSet<Party>,
    signals_taken: BTreeSet<Party>,
    signals: Vec<Signal>,
}

pub(crate) struct Spawned {
    pub(crate) party: Party,
    pub(crate) name: String,
    pub(crate) task: Pin<Box<dyn Future<Output = ()> + Send>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Waits {
    pub(crate) label: String,
    /// Whether it can be made to panic.
    pub(crate) panics: bool,
}

impl Trial {
    /// The ledger of this run.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.world.ledger
    }

    /// A place where the handler waits once, and where things happen to it: a call to
    /// another server, say. `label` names it in the report.
    pub fn point(&self, label: impl Into<String>) -> Point {
        Point {
            trial: self.clone(),
            label: Some(label.into()),
        }
    }

    /// Spawns a task, which runs with the handlers and does not end with them.
    ///
    /// A task that was spawned by a connection and does not end when that has is a fault.
    #[track_caller]
    pub fn spawn<F>(&self, task: F)
    where
        F: Future + Send + 'static,
    {
        let spawned = Spawned {
            party: self.ledger().state().actor,
            name: Location::caller().to_string(),
            task: Box::pin(async move { drop(task.await) }),
        };
        let mut state = self.state();
        if state.over {
            state.lost = true;
            drop(state);
            drop(spawned);
        } else {
            state.spawned.push(spawned);
        }
    }

    /// A timer, which runs until it is dropped. Its time passes when nothing else happens.
    pub fn timer(&self, name: impl Into<String>) -> Timer {
        let name = name.into();
        Timer {
            trial: self.clone(),
            _held: self.ledger().timer(name.clone()),
            name,
        }
    }

    /// A signal that outlives connections: a listener of a connection that is left on it
    /// when that has ended is a fault.
    #[must_use]
    pub fn signal(&self, name: impl Into<String>) -> Signal {
        self.make_signal(Some(name.into()))
    }

    /// The signal of a request, if it has no name.
    pub(crate) fn make_signal(&self, name: Option<String>) -> Signal {
        let signal = Signal::in_ledger(self.ledger().clone(), name);
        self.state().signals.push(signal.clone());
        signal
    }

    pub(crate) fn take_spawned(&self) -> Vec<Spawned> {
        std::mem::take(&mut self.state().spawned)
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

    pub(crate) fn wait_at(&self, label: &str, panics: bool) {
        self.state().waits_at = Some(Waits {
            label: label.to_owned(),
            panics,
        });
    }

    /// Lets time pass. Whether anybody waited for that.
    pub(crate) fn pass_time(&self) -> bool {
        let mut state = self.state();
        state.now += 1;
        let sleepers = std::mem::take(&mut state.sleepers);
        drop(state);
        let any = !sleepers.is_empty();
        sleepers.into_values().for_each(wake);
        any
    }

    /// The process ends: nothing is spawned any more.
    pub(crate) fn end(&self) -> Vec<Spawned> {
        let mut state = self.state();
        state.over = true;
        std::mem::take(&mut state.spawned)
    }

    /// The run is over: takes apart what would keep itself.
    pub(crate) fn take_apart(&self) {
        let signals = std::mem::take(&mut self.state().signals);
        signals.iter().for_each(Signal::forget_listeners);
    }

    /// Whether something was spawned after the end of the process.
    pub(crate) fn has_lost(&self) -> bool {
        self.state().lost
    }

    pub(crate) fn set_responding(&self, party: Party, responding: bool) {
        let mut state = self.state();
        if responding {
            state.responding.insert(party);
        } else {
            state.responding.remove(&party);
        }
    }

    pub(crate) fn is_responding(&self, party: Party) -> bool {
        self.state().responding.contains(&party)
    }

    pub(crate) fn note_signal_taken(&self, party: Party) {
        self.state().signals_taken.insert(party);
    }

    pub(crate) fn is_signal_taken(&self, party: Party) -> bool {
        self.state().signals_taken.contains(&party)
    }

    /// No code but the kit's own runs under this lock.
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

/// Future of [`Trial::point`]: pending once.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Point {
    trial: Trial,
    /// `None` when it has been waited at.
    label: Option<String>,
}

impl Future for Point {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(label) = self.label.take() {
            self.trial.wait_at(&label, true);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if std::mem::take(&mut self.trial.state().panic_here) {
            // Past the panic hook, which has nothing to report here.
            resume_unwind(Box::new(INJECTED));
        }
        Poll::Ready(())
    }
}

/// A timer of [`Trial::timer`].
#[must_use = "it stops when this is dropped"]
#[derive(Debug)]
pub struct Timer {
    trial: Trial,
    name: String,
    _held: Held,
}

impl Timer {
    /// Waits until it ticks.
    pub fn tick(&mut self) -> Tick<'_> {
        Tick {
            timer: self,
            sleeping: None,
        }
    }
}

/// Future of [`Timer::tick`].
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Tick<'a> {
    timer: &'a Timer,
    /// Its number among those who sleep, and since when it does.
    sleeping: Option<(u64, u64)>,
}

impl Future for Tick<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let trial = &self.timer.trial;
        // Before the lock: to clone a waker is user code (I8).
        let waker = cx.waker().clone();
        let mut state = trial.state();
        let (number, since) = self.sleeping.unwrap_or_else(|| {
            state.next += 1;
            (state.next, state.now)
        });
        if state.now > since {
            drop(state);
            return Poll::Ready(());
        }
        let replaced = state.sleepers.insert(number, waker);
        drop(state);
        drop(replaced);
        trial.wait_at(&format!("timer {}", self.timer.name), false);
        self.sleeping = Some((number, since));
        Poll::Pending
    }
}

impl Drop for Tick<'_> {
    fn drop(&mut self) {
        if let Some((number, _)) = self.sleeping {
            let removed = self.timer.trial.state().sleepers.remove(&number);
            drop(removed);
        }
    }
}
