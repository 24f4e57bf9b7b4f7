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
use std::sync::Arc;
use std::task::Waker;

use super::event_queue::EventQueue;
use super::group::{Group, Member};
use super::memberships::{Exit, Membership, Memberships};
use super::observer::Telemetry;
use super::running_undo::RunningUndo;
use super::settled::UndoCounts;
use super::task_list::Tasks;
use super::undos::Undos;
use super::word::{NotLive, OnClose, OnDisown, OnRelease, Standing, Store, Word};
use crate::id::ConnectionId;
use crate::panic::catch_panic;
use crate::runtime::{self, Runtime};
use crate::state::{CloseReason, Closed, State};
use crate::sync::waiters::{WaiterKey, Waiters, Wakers, wake};
use crate::sync::{AtomicU32, Mutex, MutexGuard, Ordering, lock};
use crate::time::Timers;

pub(crate) struct Lifecycle {
    word: Word,
    /// The index in its shard of the group. The lock of that shard guards it.
    index: AtomicU32,
    /// `Some` if there are groups above.
    indices_above: Option<Box<IndicesAbove>>,
    id: ConnectionId,
    pub(super) group: Arc<Group<Self>>,
    /// `Some` if an observer is told of the transitions.
    pub(super) events: Option<Box<EventQueue>>,
    /// `Some` if the connection has deadlines.
    pub(super) timers: Option<Box<Timers>>,
    pub(super) inner: Mutex<Inner>,
}

/// The indices of a connection in its shards of the groups above, by their depth. A box of
/// a slice would take two words of every connection.
struct IndicesAbove(Box<[AtomicU32]>);

#[derive(Default)]
pub(super) struct Inner {
    pub(super) undos: Undos,
    pub(super) memberships: Memberships,
    /// The unwinding has found the stack empty, and has counted the undos and the panics.
    pub(super) unwound: bool,
    pub(super) undos_run: u32,
    /// What few connections need.
    pub(super) cold: Option<Box<Cold>>,
    /// One waker, since a connection has one owner. Only the close takes it.
    owner: Option<Waker>,
    /// The latest step of the owner that was pending.
    pub(super) step: Option<&'static Location<'static>>,
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
    pub(super) said: Option<Box<Said>>,
    pub(super) panics: Vec<String>,
    /// The waker that a watched source wakes. In an `Arc`, since a clone of a waker is
    /// user code (I8).
    pub(super) reader: Option<Arc<Waker>>,
    closed: Waiters,
    pub(super) settled: Waiters,
    /// Cancelled at the close, which takes it.
    #[cfg(feature = "tokio-util")]
    pub(super) token: Option<tokio_util::sync::CancellationToken>,
}

/// What the close that won said.
pub(super) struct Said {
    pub(super) words: Option<Arc<str>>,
    pub(super) by: Option<ConnectionId>,
}

/// What a waiter waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WaitFor {
    Closed,
    Settled,
}

impl Lifecycle {
    #[inline]
    pub(crate) fn new(
        id: ConnectionId,
        group: Arc<Group<Self>>,
        telemetry: Option<&Arc<Telemetry>>,
        timers: Option<Box<Timers>>,
    ) -> Self {
        Self {
            word: Word::new(),
            index: AtomicU32::new(0),
            indices_above: (group.depth > 0).then(|| Box::new(IndicesAbove::new(group.depth))),
            id,
            group,
            events: telemetry.map(|it| Box::new(EventQueue::new(Arc::clone(it), id))),
            timers,
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

    pub(super) fn word(&self) -> &Word {
        &self.word
    }

    pub(crate) fn state(&self) -> State {
        self.word.load().state()
    }

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

    pub(crate) fn register(&self) -> Result<(), Closed> {
        self.transition(Word::register)
    }

    pub(crate) fn go_live(&self) -> Result<(), Closed> {
        match self.transition(Word::go_live) {
            Err(NotLive::SetAside) => self.return_to_lookups(),
            Err(NotLive::Closed(closed)) => return Err(closed),
            Ok(()) => return Ok(()),
        }
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
        let held = inner.memberships.iter();
        let held: Vec<_> = held
            .map(|it| (Arc::clone(&it.registry), it.place))
            .collect();
        drop(inner);
        for (registry, place) in held {
            registry.bring_back(place);
        }
    }

    /// See [`Word::set_aside`].
    pub(crate) fn set_aside(&self) -> Standing {
        self.word.set_aside()
    }

    /// Every move that may change the state goes through here.
    fn transition<T>(&self, make: impl FnOnce(&Word) -> T) -> T {
        let made = self.record(make);
        self.deliver();
        made
    }

    fn record<T>(&self, make: impl FnOnce(&Word) -> T) -> T {
        match &self.events {
            None => make(&self.word),
            Some(events) => events.record(&self.word, make),
        }
    }

    fn deliver(&self) {
        if let Some(events) = &self.events {
            events.deliver();
        }
    }

    /// Closes from anywhere. `Ok` if this call won.
    pub(crate) fn close(&self, reason: CloseReason) -> Result<(), Closed> {
        let duty = self.transition(|word| word.close(reason))?;
        self.discharge(duty);
        Ok(())
    }

    /// Closes from anywhere, and keeps what is said about it. `Ok` if this call won.
    pub(crate) fn close_with(
        &self,
        reason: CloseReason,
        words: Option<Arc<str>>,
        by: Option<ConnectionId>,
    ) -> Result<(), Closed> {
        // Under the lock, so that every reader who has seen this close finds the words.
        let mut inner = self.lock_to_store();
        let closed = self.record(|word| word.close(reason));
        if closed.is_ok() {
            inner.cold().said = Some(Box::new(Said { words, by }));
        }
        drop(inner);
        self.deliver();
        self.discharge(closed?);
        Ok(())
    }

    fn discharge(&self, duty: OnClose) {
        match duty {
            OnClose::Unwind { has_parts: true } => self.unwind(),
            OnClose::Unwind { has_parts: false } => self.settle(UndoCounts::default()),
            OnClose::LeaveToOwner => self.wake_closed(),
        }
    }

    /// Closes and wakes. `Ok` if this call won, with the duty to unwind unless the owner has
    /// it.
    pub(crate) fn begin_close(&self, reason: CloseReason) -> Result<Option<Unwind<'_>>, Closed> {
        let duty = self.transition(|word| word.close(reason))?;
        self.wake_closed();
        Ok(match duty {
            OnClose::Unwind { has_parts } => Some(Unwind::new(self, has_parts)),
            OnClose::LeaveToOwner => None,
        })
    }

    /// The owner is gone: closes if the connection is open, and unwinds if the owner has that
    /// duty.
    pub(crate) fn release(&self, reason: CloseReason) {
        match self.transition(|word| word.release(reason)) {
            OnRelease::Unwind { has_parts } => drop(Unwind::new(self, has_parts)),
            OnRelease::Nothing => {}
        }
    }

    /// The owner is going: closes and wakes if the connection is open, and returns the duty
    /// to unwind if the owner has it.
    pub(crate) fn begin_release(&self, reason: CloseReason) -> Option<Unwind<'_>> {
        match self.transition(|word| word.release(reason)) {
            OnRelease::Unwind { has_parts } => {
                self.wake_closed();
                Some(Unwind::new(self, has_parts))
            }
            OnRelease::Nothing => None,
        }
    }

    /// A live owner takes the duty to unwind, unless the connection has closed.
    pub(crate) fn own(&self) -> Result<(), Closed> {
        self.word.own()
    }

    /// A live owner gives up the duty to unwind: what it was for is complete, or dropped
    /// (I2). `Err` if a close has left the undo to it.
    pub(crate) fn disown(&self) -> Result<(), (Closed, Unwind<'_>)> {
        match self.word.disown() {
            OnDisown::Continue => Ok(()),
            OnDisown::Unwind { closed, has_parts } => Err((closed, Unwind::new(self, has_parts))),
        }
    }

    /// [`disown`](Self::disown) if a step was forgotten.
    pub(crate) fn disown_forgotten(&self) {
        if self.word.load().is_owned() {
            drop(self.disown());
        }
    }

    /// Stores the waker of the owner, unless the connection has closed: then no close would
    /// take it out again (I7). The caller must re-check the word afterwards: either the
    /// close finds this waker, or that check sees the close.
    pub(crate) fn register_owner(&self, waker: Waker, step: Option<&'static Location<'static>>) {
        let mut inner = self.lock_to_store();
        inner.step = step;
        let unneeded = match self.closed() {
            None => inner.owner.replace(waker),
            Some(_) => Some(waker),
        };
        drop(inner);
        drop(unneeded);
    }

    /// Stores a waker that waits for `event`. The caller must re-check the word afterwards,
    /// and call `stop_waiting` in the end.
    pub(crate) fn wait(&self, event: WaitFor, key: &mut Option<WaiterKey>, waker: Waker) {
        let mut inner = self.lock_to_store();
        let replaced = inner.cold().waiters(event).insert(key, waker);
        match event {
            WaitFor::Closed => {}
            WaitFor::Settled => self.word.set_settle_waiter(),
        }
        drop(inner);
        drop(replaced);
    }

    pub(crate) fn stop_waiting(&self, event: WaitFor, key: WaiterKey) {
        let removed = lock(&self.inner).cold().waiters(event).remove(key);
        drop(removed);
    }

    /// Records a slot in a registry, to be removed when the connection unwinds. For an owner
    /// that has the duty to unwind.
    pub(crate) fn add_membership(&self, membership: Membership) {
        let mut inner = self.lock_to_store();
        debug_assert!(!inner.unwound, "the owner has not unwound yet");
        inner.memberships.push(membership);
    }

    /// The orders of the recorded slots under keys with this hash, among them all of this
    /// registry. For the owner.
    pub(crate) fn orders_under(&self, registry: *const (), hash: u64) -> Vec<u64> {
        if !self.word.load().has_parts() {
            return Vec::new();
        }
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
            self.catch_panic(|| membership.leave(Exit::Withdrawn));
        }
    }

    /// Locks the parts in order to store something for the thread that unwinds, which looks
    /// under the mutex from now on. If `unwound` is set, no thread will look again.
    pub(super) fn lock_to_store(&self) -> MutexGuard<'_, Inner> {
        let mut inner = lock(&self.inner);
        match self.word.mark_has_parts() {
            Store::Seen => {}
            Store::Missed => inner.unwound = true,
        }
        inner
    }

    fn wake_closed(&self) {
        if self.word.load().has_parts() {
            let to_wake = lock(&self.inner).take_to_wake();
            to_wake.wake(self);
        }
    }

    /// Runs user code on behalf of this connection, and keeps the message of its panic.
    pub(crate) fn catch_panic(&self, f: impl FnOnce()) {
        if let Err(message) = catch_panic(f) {
            self.panicked(message);
        }
    }

    pub(crate) fn panicked(&self, message: String) {
        let mut inner = self.lock_to_store();
        // What `settled` has answered never changes. A reader that has seen SETTLED takes
        // this lock after it, so either it finds the message or SETTLED is seen here.
        if !self.word.load().settled() {
            inner.cold().panics.push(message);
        }
        // After the unwinding, the scope has counted the panics before this one.
        let late = inner.unwound;
        drop(inner);
        if late {
            self.group.panicked_late(self.id);
        }
    }
}

impl IndicesAbove {
    fn new(depth: usize) -> Self {
        Self((0..depth).map(|_| AtomicU32::new(0)).collect())
    }
}

impl Lifecycle {
    fn index_at(&self, depth: usize) -> &AtomicU32 {
        let above = self.indices_above.as_ref();
        let above = above.and_then(|above| above.0.get(depth));
        above.unwrap_or(&self.index)
    }
}

impl Member for Lifecycle {
    fn id(&self) -> ConnectionId {
        self.id
    }

    fn state(&self) -> State {
        self.word.load().state()
    }

    fn mark_settled(&self) -> bool {
        self.word.settle()
    }

    fn index(&self, depth: usize) -> usize {
        // ORDERING: Relaxed, because the lock of the shard orders it.
        self.index_at(depth).load(Ordering::Relaxed) as usize
    }

    fn set_index(&self, depth: usize, index: usize) {
        let index = u32::try_from(index).expect("memory for fewer connections than that");
        self.index_at(depth).store(index, Ordering::Relaxed);
    }
}

/// The duty to unwind, discharged when it is dropped, so that no panic loses it. The
/// holder first drops what is newer than the stack: the output of a step, the source of a
/// stream.
#[must_use]
pub(crate) struct Unwind<'a> {
    lifecycle: &'a Lifecycle,
    has_parts: bool,
}

impl<'a> Unwind<'a> {
    fn new(lifecycle: &'a Lifecycle, has_parts: bool) -> Self {
        Self {
            lifecycle,
            has_parts,
        }
    }
}

impl Drop for Unwind<'_> {
    fn drop(&mut self) {
        if self.has_parts {
            self.lifecycle.unwind();
        } else {
            self.lifecycle.settle(UndoCounts::default());
        }
    }
}

/// The wakers that a close wakes.
#[must_use]
#[derive(Default)]
pub(super) struct ToWake {
    owner: Option<Waker>,
    others: Option<Wakers>,
    /// Dropped: after the close no source wakes it.
    reader: Option<Arc<Waker>>,
    #[cfg(feature = "tokio-util")]
    token: Option<tokio_util::sync::CancellationToken>,
}

impl ToWake {
    /// With no lock held (I8).
    pub(super) fn wake(self, lifecycle: &Lifecycle) {
        if let Some(reader) = self.reader {
            lifecycle.catch_panic(|| drop(reader));
        }
        #[cfg(feature = "tokio-util")]
        if let Some(token) = self.token {
            lifecycle.catch_panic(|| token.cancel());
        }
        if let Some(owner) = self.owner {
            wake(owner);
        }
        if let Some(others) = self.others {
            others.wake();
        }
    }
}

impl Inner {
    pub(super) fn take_to_wake(&mut self) -> ToWake {
        let mut to_wake = ToWake {
            owner: self.owner.take(),
            ..ToWake::default()
        };
        if let Some(cold) = &mut self.cold {
            to_wake.others = Some(cold.closed.take());
            to_wake.reader = cold.reader.take();
            #[cfg(feature = "tokio-util")]
            {
                to_wake.token = cold.token.take();
            }
        }
        to_wake
    }

    pub(super) fn cold(&mut self) -> &mut Cold {
        self.cold.get_or_insert_default()
    }
}

impl Cold {
    pub(super) fn has_tasks(&self) -> bool {
        self.tasks.as_ref().is_some_and(|tasks| !tasks.is_empty())
    }

    fn waiters(&mut self, event: WaitFor) -> &mut Waiters {
        match event {
            WaitFor::Closed => &mut self.closed,
            WaitFor::Settled => &mut self.settled,
        }
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
