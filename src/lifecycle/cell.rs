//! The shared cell of one connection: its word, and what the word guards.
//!
//! The owner (one of the typed states), any number of handles, and the registries that the
//! connection joined share one `Lifecycle`. The word decides which thread may do what; the
//! parts under the mutex are only moved in and out, and user code runs after the lock is
//! released (I8).
//!
//! How a connection ends, in this order:
//!
//! 1. *Closed*: one read-modify-write on the word. From here on the connection is
//!    invisible (I3) and silent (I4), and one thread has the duty to unwind (I2): the
//!    owner if the word says so, else the closer. The observer is told.
//! 2. *Wake*: the owner and all waiters for `closed`. An owner that has the duty stops what
//!    it has in flight, says goodbye, and unwinds when it is dropped.
//! 3. *Undo*: the tasks of the connection end first, then the undos run, newest first,
//!    each panic contained. An asynchronous undo runs on a task; the thread that ends it
//!    continues with the older ones.
//! 4. *Leave*: the registries remove their slots. Not earlier, so that a take-over still
//!    finds the predecessors that it has to wait for (I5). The observer is told.
//! 5. *Settled*: under one lock the scope counts the connection, removes it, frees its
//!    place behind the gate and sets SETTLED in the word. Then all waiters for `settled`
//!    are woken.
//!
//! If nothing was ever stored under the mutex, steps 2 to 4 are empty, and the word says
//! so.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Instant;

use super::about::About;
use super::event_queue::EventQueue;
use super::group::Group;
use super::indices::{Index, IndicesAbove};
use super::memberships::{Exit, Membership, Memberships};
use super::progress::Progress;
use super::rare::Rare;
use super::running_undo::RunningUndo;
use super::task_list::Tasks;
use super::undos::Undos;
use super::word::{NotLive, Standing, Store, Word};
use crate::error::KeyError;
use crate::id::ConnectionId;
use crate::panic::catch_panic;
use crate::runtime::{self, Port, Runtime};
use crate::state::{Closed, State};
use crate::sync::waiters::Waiters;
use crate::sync::{Mutex, MutexGuard, lock};
use crate::time::Timers;

pub(crate) struct Lifecycle {
    word: Word,
    /// In its own scope. Beside the word, since both are half a word long.
    pub(super) index: Index,
    id: ConnectionId,
    pub(super) group: Arc<Group<Self>>,
    pub(super) rare: Option<Box<Rare<Self>>>,
    pub(super) inner: Mutex<Inner>,
}

/// The order of the fields lets the compiler write a new one straight to its allocation: first a
/// word that is not zero, then words that are zero, and last the second word of the undos, which
/// has no value yet. In other orders the compiler builds it on the stack and copies it in wider
/// parts than it was written in, and each such load waits for the stores before it.
#[derive(Default)]
#[repr(C)]
pub(super) struct Inner {
    pub(super) progress: Progress,
    pub(super) memberships: Memberships,
    /// What few connections need.
    pub(super) cold: Option<Box<Cold>>,
    /// The latest step of the owner that was pending.
    pub(super) step: Option<&'static Location<'static>>,
    pub(super) undos: Undos,
}

/// What few connections need: asynchronous undos, tasks, waiters, panics.
#[derive(Default)]
pub(super) struct Cold {
    pub(super) tasks: Option<Box<Tasks>>,
    /// The unwinding has met tasks: the thread that ends the last one continues it.
    pub(super) waits_for_tasks: bool,
    pub(super) running_undo: Option<Box<RunningUndo>>,
    /// They run when `Inner::undos` is empty.
    pub(super) last_undos: Undos,
    /// Every asynchronous undo is abandoned.
    pub(super) abandon_undos: bool,
    pub(super) abandoned: Vec<String>,
    pub(super) about: Option<Box<About>>,
    pub(super) panics: Vec<String>,
    /// The waker that a watched source wakes. In an `Arc`, since a clone of a waker is
    /// user code (I8).
    pub(super) reader: Option<Arc<Waker>>,
    pub(super) closed: Waiters,
    pub(super) settled: Waiters,
    /// Cancelled at the close, which takes it.
    #[cfg(feature = "tokio-util")]
    pub(super) token: Option<tokio_util::sync::CancellationToken>,
}

impl Lifecycle {
    /// A connection that the scope is to admit.
    #[inline]
    pub(crate) fn new(group: Arc<Group<Self>>, timers: Option<Timers>) -> Arc<Self> {
        let id = ConnectionId::next();
        if group.is_plain() && timers.is_none() {
            // Built in its allocation: a copy of what was just written has to wait for that.
            return Arc::new_cyclic(|_| Self::with(id, group, None));
        }
        Self::new_rare(id, group, timers)
    }

    #[inline(never)]
    fn new_rare(id: ConnectionId, group: Arc<Group<Self>>, timers: Option<Timers>) -> Arc<Self> {
        let rare = |events, group: &Group<Self>| Rare {
            events,
            timers,
            indices_above: IndicesAbove::new(group.depth),
        };
        match group.telemetry.clone() {
            None => {
                let rare = rare(None, &group);
                Arc::new(Self::with(id, group, Some(Box::new(rare))))
            }
            Some(telemetry) => Arc::new_cyclic(|this| {
                let events = EventQueue::new(telemetry, Weak::clone(this), id);
                let rare = rare(Some(Box::new(events)), &group);
                Self::with(id, group, Some(Box::new(rare)))
            }),
        }
    }

    #[inline]
    fn with(id: ConnectionId, group: Arc<Group<Self>>, rare: Option<Box<Rare<Self>>>) -> Self {
        Self {
            word: Word::new(),
            index: Index::new(),
            id,
            group,
            rare,
            inner: Mutex::new(Inner::default()),
        }
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    pub(crate) fn group(&self) -> &Arc<Group<Self>> {
        &self.group
    }

    /// The [`Runtime`](crate::runtime) of this connection: that of its scope, else that of the
    /// calling thread.
    pub(crate) fn runtime(&self) -> Option<Arc<dyn Runtime>> {
        let given = self.group.runtime.clone();
        given.or_else(runtime::current)
    }

    /// The same, to keep for each connection.
    pub(crate) fn port(&self) -> Option<Port> {
        let given = self.group.runtime.clone().map(Port::Given);
        given.or_else(runtime::current_port)
    }

    #[inline]
    pub(super) fn events(&self) -> Option<&EventQueue<Self>> {
        self.rare.as_ref()?.events.as_deref()
    }

    #[inline]
    pub(crate) fn timers(&self) -> Option<&Timers> {
        self.rare.as_ref()?.timers.as_ref()
    }

    pub(super) fn word(&self) -> &Word {
        &self.word
    }

    pub(crate) fn state(&self) -> State {
        self.word.load().state()
    }

    #[inline]
    pub(crate) fn is_live(&self) -> bool {
        self.word.load().is_live()
    }

    /// Whether the connection is open and no stall deadline watches its reader: the one
    /// load that a ready item costs.
    #[inline]
    pub(crate) fn is_plainly_open(&self) -> bool {
        self.word.load().is_plainly_open()
    }

    #[inline]
    pub(crate) fn closed(&self) -> Option<Closed> {
        self.word.load().closed()
    }

    /// The scope has admitted the connection.
    pub(crate) fn opened(&self) {
        self.deliver();
    }

    #[inline]
    pub(crate) fn register(&self) -> Result<(), Closed> {
        self.transition(Word::register)
    }

    #[inline]
    pub(crate) fn go_live(&self) -> Result<(), Closed> {
        match self.transition(Word::go_live) {
            Err(NotLive::SetAside) => self.return_and_go_live(),
            Err(NotLive::Closed(closed)) => Err(closed),
            Ok(()) => Ok(()),
        }
    }

    #[cold]
    fn return_and_go_live(&self) -> Result<(), Closed> {
        self.return_to_lookups();
        match self.transition(Word::go_live) {
            Err(NotLive::SetAside) => unreachable!("no look-up sets a slot aside now"),
            Err(NotLive::Closed(closed)) => Err(closed),
            Ok(()) => Ok(()),
        }
    }

    /// Brings back every slot that a look-up has set aside: look-ups that begin after the
    /// connection is live find all of them (I3).
    #[cold]
    fn return_to_lookups(&self) {
        self.word.begin_return();
        let inner = lock(&self.inner);
        let held: Vec<_> = inner.memberships.iter().cloned().collect();
        drop(inner);
        for slot in held {
            slot.bring_back();
        }
    }

    /// See [`Word::set_aside`].
    pub(crate) fn set_aside(&self) -> Standing {
        self.word.set_aside()
    }

    /// Every move that may change the state goes through here.
    #[inline]
    pub(super) fn transition<T>(&self, make: impl FnOnce(&Word) -> T) -> T {
        match self.events() {
            None => make(&self.word),
            Some(events) => self.observed_transition(events, make),
        }
    }

    #[inline(never)]
    fn observed_transition<T>(
        &self,
        events: &EventQueue<Self>,
        make: impl FnOnce(&Word) -> T,
    ) -> T {
        let now = events.now();
        let made = events.record(now, &self.word, make);
        events.deliver();
        made
    }

    /// The time by the clock of the scope. User code, so it is read before any lock is taken
    /// (I8).
    pub(super) fn now(&self) -> Option<Instant> {
        self.events()?.now()
    }

    /// Makes a move at this time. The caller delivers it when no lock is held.
    pub(super) fn record<T>(&self, now: Option<Instant>, make: impl FnOnce(&Word) -> T) -> T {
        match self.events() {
            None => make(&self.word),
            Some(events) => events.record(now, &self.word, make),
        }
    }

    #[inline]
    pub(super) fn deliver(&self) {
        if let Some(events) = self.events() {
            events.deliver();
        }
    }

    /// A registry has refused the connection a place.
    pub(crate) fn rejected(&self, refusal: KeyError) {
        if let Some(events) = self.events() {
            events.rejected(refusal);
        }
    }

    /// Records a slot in a registry, to be removed when the connection unwinds. For an owner
    /// that has the duty to unwind.
    #[inline]
    pub(crate) fn add_membership(&self, slot: Arc<dyn Membership>) {
        let mut inner = self.lock_to_store();
        debug_assert!(!inner.is_unwound(), "the owner has not unwound yet");
        inner.memberships.push(slot);
    }

    /// The orders of the recorded slots under keys with this hash, among them all of this
    /// registry. For the owner.
    #[inline]
    pub(crate) fn orders_under(&self, registry: *const (), hash: u64) -> Vec<u64> {
        if self.word.load().has_parts() {
            self.recorded_orders_under(registry, hash)
        } else {
            Vec::new()
        }
    }

    fn recorded_orders_under(&self, registry: *const (), hash: u64) -> Vec<u64> {
        lock(&self.inner).memberships.orders_under(registry, hash)
    }

    /// Removes the newest slot before the end. For the owner.
    ///
    /// The slot of a connection that has closed stays until that one is unwound, so that a
    /// take-over which has closed it waits for that (I5).
    pub(crate) fn release_claim(&self) {
        if self.closed().is_some() {
            return;
        }
        let released = lock(&self.inner).memberships.pop();
        if let Some(membership) = released {
            self.catch_panic(move || membership.leave(Exit::Withdrawn));
        }
    }

    /// Locks the parts in order to store something for the thread that unwinds, which looks
    /// under the mutex from now on. If it is unwound, no thread will look again.
    #[inline]
    pub(super) fn lock_to_store(&self) -> MutexGuard<'_, Inner> {
        let mut inner = lock(&self.inner);
        match self.word.mark_has_parts() {
            Store::Seen => {}
            Store::Missed => inner.progress.unwound(),
        }
        inner
    }

    /// Runs user code on behalf of this connection, in its span, and keeps the message of its
    /// panic.
    pub(crate) fn catch_panic(&self, f: impl FnOnce()) {
        #[cfg(feature = "tracing")]
        let _entered = self.enter_span();
        if let Err(message) = catch_panic(f) {
            self.panicked(message);
        }
    }

    #[cold]
    pub(crate) fn panicked(&self, message: String) {
        let mut inner = self.lock_to_store();
        // What `settled` has answered never changes. A reader that has seen SETTLED takes
        // this lock after it, so either it finds the message or SETTLED is seen here.
        if !self.word.load().settled() {
            inner.cold().panics.push(message);
        }
        // After the unwinding, the scope has counted the panics before this one.
        let late = inner.is_unwound();
        drop(inner);
        if late {
            self.group.panicked_late(self.id);
        }
    }
}

impl Inner {
    /// The undos and the panics have been counted.
    pub(super) fn is_unwound(&self) -> bool {
        self.progress.unwinding().is_over()
    }

    pub(super) fn cold(&mut self) -> &mut Cold {
        self.cold.get_or_insert_default()
    }

    pub(super) fn about(&mut self) -> &mut About {
        self.cold().about.get_or_insert_default()
    }
}

impl Cold {
    pub(super) fn has_tasks(&self) -> bool {
        self.tasks.as_ref().is_some_and(|tasks| !tasks.is_empty())
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle")
            .field("id", &self.id)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
