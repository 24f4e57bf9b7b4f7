//! The record of who holds what.

mod state;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::fault::Fault;
use crate::kind::{Kind, Levels};
use crate::party::Party;
use state::{HoldingId, LedgerState};

/// Records what the connections of a server under test acquire and release, where they
/// are visible, and which of their timers run.
///
/// The environment of the test writes into it: a fake router calls
/// [`switch_on`](Self::switch_on) when it is told to resume a worker, a map calls
/// [`show`](Self::show) when an entry is added, a permit contains a [`Held`]. Name things
/// after what they are (`"router: ada"`) and not after their holder: the ledger knows the
/// acting party.
///
/// The ledger records some faults as they happen: a thing is released more often than it
/// was acquired, acquired for a connection after its undo, taken from a successor, or
/// held more often than [`at_most`](Self::at_most) allows. Other faults show when all
/// tasks are idle: [`left`](Self::left) returns what is still held.
///
/// Cloning is cheap; all clones share one record.
///
/// # Examples
///
/// A ledger works without [`abort_everywhere`](crate::abort_everywhere) too:
///
/// ```
/// use hangup_test::{Fault, Ledger};
///
/// let ledger = Ledger::new();
/// let permit = ledger.permit("stream permit");
/// ledger.acquire("temporary file");
/// drop(permit);
/// assert_eq!(ledger.left()[0].to_string(), "`temporary file` is left");
///
/// ledger.release("temporary file");
/// ledger.release("temporary file");
/// assert!(matches!(&ledger.faults()[..], [Fault::ReleasedTwice { .. }]));
/// ```
#[derive(Clone, Default)]
pub struct Ledger {
    state: Arc<Mutex<LedgerState>>,
}

impl Ledger {
    /// Creates an empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Acquires one `name`, which [`release`](Self::release) releases.
    pub fn acquire(&self, name: impl Into<String>) {
        self.state().acquire(Kind::Resource, name.into());
    }

    /// Releases one `name`, preferably one that the acting party holds.
    ///
    /// It is a fault if none is held.
    pub fn release(&self, name: &str) {
        self.state().release(Kind::Resource, name);
    }

    /// Acquires one `name` until the value is dropped.
    pub fn hold(&self, name: impl Into<String>) -> Held {
        self.guard(Kind::Resource, name.into())
    }

    /// Acquires a permit until the value is dropped. A connection must hold it while it
    /// streams.
    pub fn permit(&self, name: impl Into<String>) -> Held {
        self.guard(Kind::Permit, name.into())
    }

    /// Starts a timer that runs until the value is dropped.
    ///
    /// [`Trial::timer`](crate::Trial::timer) creates a timer that also ticks.
    pub fn timer(&self, name: impl Into<String>) -> Held {
        self.guard(Kind::Timer, name.into())
    }

    /// Adds a listener on a signal that outlives the connection, until the value is
    /// dropped.
    pub fn listener(&self, name: impl Into<String>) -> Held {
        self.guard(Kind::Listener, name.into())
    }

    /// Makes the acting party visible in `index`, in the place of the party before it.
    pub fn show(&self, index: impl Into<String>) {
        self.state().set(Kind::Entry, index.into());
    }

    /// Makes `index` empty.
    pub fn hide(&self, index: &str) {
        self.state().clear(Kind::Entry, index);
    }

    /// Switches `name` on for the acting party. It may be on already.
    pub fn switch_on(&self, name: impl Into<String>) {
        self.state().set(Kind::Switch, name.into());
    }

    /// Switches `name` off. It may be off already.
    pub fn switch_off(&self, name: &str) {
        self.state().clear(Kind::Switch, name);
    }

    /// Sets the cap of `name`. It is a fault to hold more than `cap`.
    pub fn at_most(&self, cap: usize, name: impl Into<String>) {
        self.state().at_most(cap, name.into());
    }

    /// Publishes the item `number` to all connections. It is one more than the last.
    ///
    /// A connection confirms its items with
    /// [`Client::delivered`](crate::Client::delivered).
    pub fn published(&self, number: u64) {
        self.state().published(number);
    }

    /// Runs `f` with `party` as the acting party.
    /// [`abort_everywhere`](crate::abort_everywhere) does this for every poll.
    pub fn acting<T>(&self, party: Party, f: impl FnOnce() -> T) -> T {
        struct Restore<'a>(&'a Ledger, Party);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                self.0.state().actor = self.1;
            }
        }

        let before = std::mem::replace(&mut self.state().actor, party);
        let _restore = Restore(self, before);
        f()
    }

    /// Marks the connection of `party` as ended. Later acquisitions for it are marked,
    /// and they are a fault if the thing had been released for it after its end.
    pub fn ended(&self, party: Party) {
        self.state().ended.insert(party);
    }

    /// Returns the recorded faults, in the order in which they happened.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.state().faults.clone()
    }

    /// Returns everything that is held, as faults.
    #[must_use]
    pub fn left(&self) -> Vec<Fault> {
        self.state().left(&Levels::new())
    }

    fn guard(&self, kind: Kind, name: String) -> Held {
        let id = self.state().acquire(kind, name.clone());
        Held {
            ledger: self.clone(),
            name,
            id,
        }
    }

    /// Only code of the ledger runs under this lock.
    pub(crate) fn state(&self) -> MutexGuard<'_, LedgerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let levels = state.levels();
        let levels: BTreeMap<_, _> = levels
            .iter()
            .map(|(name, (_, held))| (name, held))
            .collect();
        f.debug_struct("Ledger")
            .field("levels", &levels)
            .field("faults", &state.faults)
            .finish_non_exhaustive()
    }
}

/// A thing that is held until this value is dropped.
#[must_use = "it is released when this is dropped"]
pub struct Held {
    ledger: Ledger,
    name: String,
    id: HoldingId,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ledger.state().release_held(&self.name, self.id);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.name).finish()
    }
}
