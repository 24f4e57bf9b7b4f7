//! Who holds what, and whether that adds up.

mod state;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::fault::Fault;
use crate::kind::{Kind, Levels};
use crate::party::Party;
use state::{HoldingId, LedgerState};

/// Keeps the books of a server under test: what its connections acquired and released,
/// where they are visible, which timers of theirs run.
///
/// The test's environment writes into it: a fake router that says
/// [`switch_on`](Self::switch_on) when it is told to resume a worker, a map that says
/// [`show`](Self::show) when an entry is added, a permit that carries a [`Held`]. Name
/// things after what they are (`"router: ada"`) and not after who has them: the ledger
/// knows who is at work.
///
/// Some faults it notes as they happen: what is released more often than it was acquired,
/// what is acquired for a connection after it was undone, what one connection takes away
/// from its successor, more holders than [`at_most`](Self::at_most) allows. Others are
/// seen when everything has come to rest: [`left`](Self::left) says what is still held.
///
/// Cheap to clone; all clones are the same ledger.
///
/// # Examples
///
/// By itself, without [`abort_everywhere`](crate::abort_everywhere):
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
    /// A ledger with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more of `name` is held. Released by [`release`](Self::release).
    pub fn acquire(&self, name: impl Into<String>) {
        self.state().acquire(Kind::Resource, name.into());
    }

    /// One less of `name` is held: the one of whoever is at work, if that holds one.
    ///
    /// If none is held, that is a fault.
    pub fn release(&self, name: &str) {
        self.state().release(Kind::Resource, name);
    }

    /// One more of `name` is held, until the value is dropped.
    pub fn hold(&self, name: impl Into<String>) -> Held {
        self.guard(Kind::Resource, name.into())
    }

    /// A permit, held until the value is dropped: a connection that streams must have it.
    pub fn permit(&self, name: impl Into<String>) -> Held {
        self.guard(Kind::Permit, name.into())
    }

    /// A timer that runs until the value is dropped.
    ///
    /// [`Trial::timer`](crate::Trial::timer) is one that also ticks.
    pub fn timer(&self, name: impl Into<String>) -> Held {
        self.guard(Kind::Timer, name.into())
    }

    /// A listener on a signal that outlives the connection, until the value is dropped.
    pub fn listener(&self, name: impl Into<String>) -> Held {
        self.guard(Kind::Listener, name.into())
    }

    /// Whoever is at work is to be found in `index` from now on, in the place of whoever
    /// was before.
    pub fn show(&self, index: impl Into<String>) {
        self.state().set(Kind::Entry, index.into());
    }

    /// Nobody is to be found in `index` from now on.
    pub fn hide(&self, index: &str) {
        self.state().clear(Kind::Entry, index);
    }

    /// `name` is on, for whoever is at work. It may have been.
    pub fn switch_on(&self, name: impl Into<String>) {
        self.state().set(Kind::Switch, name.into());
    }

    /// `name` is off. It may have been.
    pub fn switch_off(&self, name: &str) {
        self.state().clear(Kind::Switch, name);
    }

    /// It is a fault from now on if more than `cap` of `name` are held at once.
    pub fn at_most(&self, cap: usize, name: impl Into<String>) {
        self.state().at_most(cap, name.into());
    }

    /// An item with this number, one more than the last, is there for all connections.
    ///
    /// What they get of it they say with [`Client::delivered`](crate::Client::delivered).
    pub fn published(&self, number: u64) {
        self.state().published(number);
    }

    /// Does something for `party`, to whom everything is ascribed that is written
    /// meanwhile. [`abort_everywhere`](crate::abort_everywhere) does this itself.
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

    /// The connection of `party` has ended. What is acquired for it after this is noted as
    /// such, and if it had been undone before, that is a fault.
    pub fn ended(&self, party: Party) {
        self.state().ended.insert(party);
    }

    /// The faults that were noted, in the order in which they happened.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.state().faults.clone()
    }

    /// What is held, as faults: for when nothing should be.
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

    /// No code but the ledger's own runs under this lock.
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

/// Something that is held until this is dropped.
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
