//! The shared cell of one connection: its word, and what the word guards.
//!
//! All who deal with a connection share one `Lifecycle`: its owner (one of the
//! typed states), any number of handles, and the registries that it joined. The
//! word decides who may and who must; the parts behind the lock are only ever
//! moved in and out, and whatever is user code runs after the lock is released
//! (I8).
//!
//! How a connection ends, in this order:
//!
//! 1. *Closed*: one read-modify-write on the word. From here on it is invisible
//!    (I3) and silent (I4), and one thread has the duty to unwind (I2): the
//!    closer, or whoever ends the step that the owner is in. An observer is told.
//! 2. *Wake*: the owner and all who wait for `closed`.
//! 3. *Undo*: first the tasks that belong to it end, then the undos run, newest first,
//!    each panic contained. What takes its time runs elsewhere: whoever ends it goes on
//!    from there.
//! 4. *Leave*: the registries let go of it. Only now, so that a take-over still
//!    finds whoever it has to wait for (I5). An observer is told that this is all.
//! 5. *Settled*: under one lock the scope counts it, lets go of it, frees its place
//!    behind the gate and sets one more bit in the word. Then all who wait for
//!    `settled` are woken.
//!
//! Where nothing was ever put behind the lock there is nothing to wake, undo or leave, and
//! the word says so.

mod attached;
mod memberships;
mod settled;
mod tasks;
mod timed;
mod undo_elsewhere;
mod undos;
mod unwinding;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use crate::group::{Group, Member};
use crate::id::ConnectionId;
use crate::observer::{Outbox, Watch};
use crate::panic::contain;
use crate::pulse::Pulse;
use crate::settled::Tally;
use crate::state::{CloseReason, Closed, State};
use crate::sync::{AtomicU32, Mutex, MutexGuard, Ordering, lock};
use crate::waiters::{WaiterKey, Waiters, Wakers, wake};
use crate::word::{Behind, OnClose, OnHold, OnRelease, OnStepEnd, Word};

use memberships::Memberships;
use undo_elsewhere::Underway;
use undos::Undos;

pub(crate) use memberships::{Membership, Place, Registrar};
pub(crate) use undos::Next;
pub(crate) use unwinding::Unwind;

pub(crate) struct Lifecycle {
    word: Word,
    /// Where it stands in its shard of the scope, whose lock guards this.
    index: AtomicU32,
    id: ConnectionId,
    group: Arc<Group<Self>>,
    /// If somebody is to be told of its transitions.
    outbox: Option<Box<Outbox>>,
    /// If it has deadlines.
    pulse: Option<Box<Pulse>>,
    parts: Mutex<Parts>,
}

#[derive(Default)]
struct Parts {
    undos: Undos,
    memberships: Memberships,
    /// The undo stack has been found empty after the close: what comes later is
    /// undone by whoever brings it.
    unwound: bool,
    undone: u32,
    /// What few connections have.
    slow: Option<Box<Slow>>,
    /// One, since a connection has one owner. Taken by the close alone.
    owner: Option<Waker>,
}

/// What few connections have: what the unwinding may have to wait for, and more.
#[derive(Default)]
struct Slow {
    tasks: usize,
    /// The unwinding goes on where the last task ends.
    waits_for_tasks: bool,
    undoing: Option<Underway>,
    /// Every asynchronous undo is given up.
    forsaken: bool,
    unfinished: Vec<String>,
    panics: Vec<String>,
    attached: Vec<Arc<dyn Any + Send + Sync>>,
    /// Whom the source wakes. In an `Arc`, since to clone a waker is user code (I8).
    reader: Option<Arc<Waker>>,
    closed: Waiters,
    settled: Waiters,
}

/// The two moments that can be waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    Closed,
    Settled,
}

impl Lifecycle {
    #[inline]
    pub(crate) fn new(
        id: ConnectionId,
        group: Arc<Group<Self>>,
        watch: Option<&Arc<Watch>>,
        pulse: Option<Box<Pulse>>,
    ) -> Self {
        let word = Word::new();
        if watch.is_some() {
            // So that what comes while it is being told waits for its turn.
            let _: OnHold = word.hold();
        }
        Self {
            word,
            index: AtomicU32::new(0),
            id,
            group,
            outbox: watch.map(|watch| Box::new(Outbox::new(Arc::clone(watch), id))),
            pulse,
            parts: Mutex::new(Parts::default()),
        }
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    pub(crate) fn state(&self) -> State {
        self.word.load().state()
    }

    pub(crate) fn is_live(&self) -> bool {
        self.word.load().is_live()
    }

    /// Whether there is nothing more to a poll of its source than that: the one load of a
    /// ready item.
    #[inline]
    pub(crate) fn is_just_open(&self) -> bool {
        self.word.load().is_just_open()
    }

    /// There is more to a poll of its source from now on.
    pub(crate) fn watch(&self) {
        self.word.watch();
    }

    #[inline]
    pub(crate) fn closed(&self) -> Option<Closed> {
        self.word.load().closed()
    }

    /// It has been admitted.
    pub(crate) fn opened(&self) {
        if let Some(outbox) = &self.outbox {
            outbox.tell();
        }
    }

    pub(crate) fn register(&self) -> Result<(), Closed> {
        self.transition(Word::register)
    }

    pub(crate) fn go_live(&self) -> Result<(), Closed> {
        self.transition(Word::go_live)
    }

    /// The one way to a move that may change the state.
    fn transition<T>(&self, make: impl FnOnce(&Word) -> T) -> T {
        match &self.outbox {
            None => make(&self.word),
            Some(outbox) => outbox.record(&self.word, make),
        }
    }

    /// Closes from anywhere. `Ok` if this call won.
    pub(crate) fn close(&self, reason: CloseReason) -> Result<(), Closed> {
        match self.transition(|word| word.close(reason))? {
            OnClose::Unwind(Behind::Something) => self.wake_and_unwind(),
            OnClose::Unwind(Behind::Nothing) => self.settle(Tally::default()),
            OnClose::LeaveToStep => self.wake_closed(),
        }
        Ok(())
    }

    /// Closes and wakes. `Ok` if this call won, with the duty to unwind if that
    /// is not left to a step.
    pub(crate) fn begin_close(&self, reason: CloseReason) -> Result<Option<Unwind<'_>>, Closed> {
        let duty = self.transition(|word| word.close(reason))?;
        self.wake_closed();
        Ok(match duty {
            OnClose::Unwind(behind) => Some(Unwind::new(self, behind)),
            OnClose::LeaveToStep => None,
        })
    }

    /// The owner is gone.
    pub(crate) fn release(&self, reason: CloseReason) {
        drop(self.begin_release(reason));
    }

    /// The owner is going: closes and wakes, if nobody has, and returns the duty to
    /// unwind if there is one.
    pub(crate) fn begin_release(&self, reason: CloseReason) -> Option<Unwind<'_>> {
        match self.transition(|word| word.release(reason)) {
            OnRelease::Unwind(behind) => {
                self.wake_closed();
                Some(Unwind::new(self, behind))
            }
            OnRelease::Nothing => None,
        }
    }

    pub(crate) fn begin_step(&self) -> Result<(), Closed> {
        self.word.begin_step()
    }

    /// Ends the owner's step, which must be complete or dropped by now (I2).
    /// `Err` if the connection closed during the step, with the duty to unwind.
    pub(crate) fn end_step(&self) -> Result<(), (Closed, Unwind<'_>)> {
        match self.word.end_step() {
            OnStepEnd::GoOn => Ok(()),
            OnStepEnd::Unwind(closed, behind) => Err((closed, Unwind::new(self, behind))),
        }
    }

    /// Stores the waker of the owner, unless it has closed: nobody would take it
    /// out again (I7). The caller looks at the word afterwards: a close either
    /// finds this waker or is seen there.
    pub(crate) fn park_owner(&self, waker: Waker) {
        let mut parts = self.fill_parts();
        let unneeded = match self.closed() {
            None => parts.owner.replace(waker),
            Some(_) => Some(waker),
        };
        drop(parts);
        drop(unneeded);
    }

    /// Stores the waker of someone who waits for `moment`, who looks at the word
    /// afterwards likewise, and stops waiting in the end.
    pub(crate) fn wait(&self, moment: Moment, key: &mut Option<WaiterKey>, waker: Waker) {
        let mut parts = self.fill_parts();
        let replaced = parts.slow().waiters(moment).insert(key, waker);
        match moment {
            Moment::Closed => {}
            Moment::Settled => self.word.await_settled(),
        }
        drop(parts);
        drop(replaced);
    }

    pub(crate) fn stop_waiting(&self, moment: Moment, key: WaiterKey) {
        let removed = lock(&self.parts).slow().waiters(moment).remove(key);
        drop(removed);
    }

    /// The parts, to put something there for whoever unwinds, or wakes: unless
    /// `unwound` says that nobody will look any more.
    fn fill_parts(&self) -> MutexGuard<'_, Parts> {
        let mut parts = lock(&self.parts);
        match self.word.hold() {
            OnHold::Found => {}
            OnHold::TooLate => parts.unwound = true,
        }
        parts
    }

    fn wake_closed(&self) {
        if self.word.load().behind() == Behind::Something {
            let woken = lock(&self.parts).woken_by_close();
            woken.wake(self);
        }
    }

    /// Runs user code on behalf of this connection, and keeps what it says if it
    /// panics.
    pub(crate) fn contain(&self, f: impl FnOnce()) {
        if let Err(message) = contain(f) {
            self.panicked(message);
        }
    }

    pub(crate) fn panicked(&self, message: String) {
        let mut parts = self.fill_parts();
        parts.slow().panics.push(message);
        // Once it is unwound, those before have been counted.
        let late = parts.unwound;
        drop(parts);
        if late {
            self.group.panicked_late(self.id);
        }
    }

    pub(crate) fn group(&self) -> &Arc<Group<Self>> {
        &self.group
    }
}

impl Member for Lifecycle {
    fn id(&self) -> ConnectionId {
        self.id
    }

    fn mark_settled(&self) -> bool {
        self.word.settle()
    }

    fn index(&self) -> usize {
        // ORDERING: Relaxed, because the lock of the shard orders it.
        self.index.load(Ordering::Relaxed) as usize
    }

    fn set_index(&self, index: usize) {
        let index = u32::try_from(index).expect("memory for fewer connections than that");
        self.index.store(index, Ordering::Relaxed);
    }
}

/// All who are to know that a connection has closed.
#[must_use]
struct Woken {
    owner: Option<Waker>,
    others: Option<Wakers>,
    /// To be dropped: nothing wakes it any more.
    reader: Option<Arc<Waker>>,
}

impl Woken {
    /// With no lock held (I8).
    fn wake(self, lifecycle: &Lifecycle) {
        if let Some(reader) = self.reader {
            lifecycle.contain(|| drop(reader));
        }
        if let Some(owner) = self.owner {
            wake(owner);
        }
        if let Some(others) = self.others {
            others.wake();
        }
    }
}

impl Parts {
    fn woken_by_close(&mut self) -> Woken {
        let slow = self.slow.as_mut();
        let slow = slow.map(|slow| (slow.closed.take(), slow.reader.take()));
        let (others, reader) = slow.unzip();
        Woken {
            owner: self.owner.take(),
            others,
            reader: reader.flatten(),
        }
    }

    fn slow(&mut self) -> &mut Slow {
        self.slow.get_or_insert_default()
    }
}

impl Slow {
    fn waiters(&mut self, moment: Moment) -> &mut Waiters {
        match moment {
            Moment::Closed => &mut self.closed,
            Moment::Settled => &mut self.settled,
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
