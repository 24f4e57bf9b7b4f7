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

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};

use crate::id::ConnectionId;
use crate::observer::{Outbox, Watch};
use crate::panic::contain;
use crate::pulse::{Overdue, Pulse};
use crate::scope;
use crate::state::{CloseReason, Closed, State};
use crate::sync::{AtomicU32, Mutex, Ordering, lock};
use crate::undoing::Next;
use crate::waiters::{WaiterKey, Waiters, wake};
use crate::word::{OnClose, OnRelease, OnStepEnd, Word};

pub(crate) struct Lifecycle {
    word: Word,
    /// Where it stands in its shard of the scope, whose lock guards this.
    index: AtomicU32,
    id: ConnectionId,
    scope: Arc<scope::Shared>,
    /// If somebody is to be told of its transitions.
    outbox: Option<Box<Outbox>>,
    /// If it has deadlines.
    pulse: Option<Box<Pulse>>,
    parts: Mutex<Parts>,
}

pub(crate) enum Undo {
    Sync(Box<dyn FnOnce() + Send>),
    /// Begins it, wherever it runs. It ends with `end_undo`, or has done so already.
    Async(Box<dyn FnOnce(Next) + Send>),
}

/// A place in a registry, held until the connection has settled.
pub(crate) trait Membership: Send + Sync {
    fn leave(self: Arc<Self>);

    /// Whether it is in this registry, under a key with this hash.
    fn is_at(&self, registry: usize, hash: u64) -> bool;
}

#[derive(Default)]
struct Parts {
    undo: Vec<Undo>,
    memberships: Vec<Arc<dyn Membership>>,
    /// The undo stack has been found empty after the close: what comes later is
    /// undone by whoever brings it.
    unwound: bool,
    undone: usize,
    panics: Vec<String>,
    /// What few connections have.
    slow: Option<Box<Slow>>,
    /// One, since a connection has one owner. Taken by the close alone.
    owner: Option<Waker>,
    closed: Waiters,
    settled: Waiters,
}

/// What the unwinding may have to wait for.
#[derive(Default)]
struct Slow {
    tasks: usize,
    /// The unwinding goes on where the last task ends.
    waits_for_tasks: bool,
    undoing: Option<Underway>,
    /// Every asynchronous undo is given up.
    forsaken: bool,
    unfinished: Vec<String>,
    attached: Vec<Arc<dyn Any + Send + Sync>>,
    /// Whom the source wakes. In an `Arc`, since to clone a waker is user code (I8).
    reader: Option<Arc<Waker>>,
}

/// The asynchronous undo that is under way.
#[derive(Default)]
struct Underway {
    /// Whoever began it has not come back yet, and looks whether it has ended.
    beginning: bool,
    abandoned: bool,
    task: Option<Waker>,
}

/// What a connection left behind: how it closed, and how its undo went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled {
    /// How the connection closed.
    pub closed: Closed,
    /// How many undos there were, those included that panicked or were given up.
    pub undone: usize,
    /// The message of every panic, in the order in which they happened. Each one
    /// cost the others nothing.
    pub panics: Vec<String>,
    /// The name of every asynchronous undo that was not run to its end: it overran its
    /// [deadline](crate::Deadlines::undo) or that of a drain, or there was no
    /// runtime to run it, any more or at all.
    pub unfinished: Vec<String>,
}

/// The numbers of it, for the totals of the scope.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) undone: usize,
    pub(crate) panicked: usize,
    pub(crate) unfinished: usize,
}

/// The two moments that can be waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    Closed,
    Settled,
}

impl Lifecycle {
    pub(crate) fn new(
        id: ConnectionId,
        scope: Arc<scope::Shared>,
        watch: Option<&Arc<Watch>>,
        pulse: Option<Box<Pulse>>,
    ) -> Self {
        Self {
            word: Word::new(),
            index: AtomicU32::new(0),
            id,
            scope,
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
        self.begin_close(reason).map(drop)
    }

    /// Closes and wakes. `Ok` if this call won, with the duty to unwind if that
    /// is not left to a step.
    pub(crate) fn begin_close(&self, reason: CloseReason) -> Result<Option<Unwind<'_>>, Closed> {
        let duty = self.transition(|word| word.close(reason))?;
        self.wake_closed();
        Ok(match duty {
            OnClose::Unwind => Some(Unwind(self)),
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
            OnRelease::Unwind => {
                self.wake_closed();
                Some(Unwind(self))
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
            OnStepEnd::Unwind(closed) => Err((closed, Unwind(self))),
        }
    }

    /// Puts an undo on the stack. If the stack has been unwound already, the undo
    /// runs here and now.
    pub(crate) fn push_undo(&self, undo: Undo) {
        let mut parts = lock(&self.parts);
        if !parts.unwound {
            // Also when closed: whoever unwinds, or will when the step ends,
            // finds it on top.
            parts.undo.push(undo);
            return;
        }
        drop(parts);
        match undo {
            Undo::Sync(undo) => {
                self.run(undo);
                self.scope.undone_late(self.id);
            }
            Undo::Async(begin) => self.contain(|| begin(Next::Nothing)),
        }
    }

    /// Keeps a place in a registry, or returns it if nobody will leave it any
    /// more.
    pub(crate) fn add_membership(
        &self,
        membership: Arc<dyn Membership>,
    ) -> Result<(), Arc<dyn Membership>> {
        let mut parts = lock(&self.parts);
        if parts.unwound {
            return Err(membership);
        }
        parts.memberships.push(membership);
        Ok(())
    }

    /// Whether it holds a place in this registry under a key with this hash.
    pub(crate) fn is_at(&self, registry: usize, hash: u64) -> bool {
        let parts = lock(&self.parts);
        parts
            .memberships
            .iter()
            .any(|held| held.is_at(registry, hash))
    }

    /// Gives a place in a registry back before the end.
    pub(crate) fn withdraw(&self, membership: &Weak<dyn Membership>) {
        let mut parts = lock(&self.parts);
        let position = parts
            .memberships
            .iter()
            .position(|held| std::ptr::addr_eq(Arc::as_ptr(held), membership.as_ptr()));
        let withdrawn = position.map(|at| parts.memberships.remove(at));
        drop(parts);
        // Else whoever unwinds leaves it.
        if let Some(withdrawn) = withdrawn {
            self.contain(|| withdrawn.leave());
        }
    }

    /// Stores the waker of the owner, unless it has closed: nobody would take it
    /// out again (I7). The caller looks at the word afterwards: a close either
    /// finds this waker or is seen there.
    pub(crate) fn park_owner(&self, waker: Waker) {
        let mut parts = lock(&self.parts);
        let unneeded = match self.closed() {
            None => parts.owner.replace(waker),
            Some(_) => Some(waker),
        };
        drop(parts);
        drop(unneeded);
    }

    /// Stores whom a source wakes that wakes through this, unless it has closed.
    pub(crate) fn park_reader(&self, reader: Waker) {
        let reader = Arc::new(reader);
        let mut parts = lock(&self.parts);
        let unneeded = match self.closed() {
            None => parts.slow().reader.replace(reader),
            Some(_) => Some(reader),
        };
        drop(parts);
        drop(unneeded);
    }

    /// Stores the waker of someone who waits for `moment`, who looks at the word
    /// afterwards likewise, and stops waiting in the end.
    pub(crate) fn wait(&self, moment: Moment, key: &mut Option<WaiterKey>, waker: Waker) {
        let replaced = lock(&self.parts).waiters(moment).insert(key, waker);
        drop(replaced);
    }

    pub(crate) fn stop_waiting(&self, moment: Moment, key: WaiterKey) {
        let removed = lock(&self.parts).waiters(moment).remove(key);
        drop(removed);
    }

    /// What there is to say once it has settled.
    pub(crate) fn settlement(&self) -> Option<Settled> {
        let snapshot = self.word.load();
        let closed = snapshot.closed().filter(|_| snapshot.settled())?;
        Some(self.report(closed))
    }

    fn report(&self, closed: Closed) -> Settled {
        let parts = lock(&self.parts);
        Settled {
            closed,
            undone: parts.undone,
            panics: parts.panics.clone(),
            unfinished: parts.unfinished().to_vec(),
        }
    }

    fn wake_closed(&self) {
        let mut parts = lock(&self.parts);
        let owner = parts.owner.take();
        let reader = parts.slow.as_mut().and_then(|slow| slow.reader.take());
        let waiters = parts.closed.take();
        drop(parts);
        self.contain(|| drop(reader));
        if let Some(owner) = owner {
            wake(owner);
        }
        waiters.wake();
    }

    /// The duty of exactly one thread, which the word handed to it (I2); or of whoever
    /// ended what the unwinding waited for.
    fn unwind(&self) {
        let (memberships, attached, tally) = loop {
            let mut parts = lock(&self.parts);
            if let Some(slow) = parts.slow.as_mut().filter(|slow| slow.tasks > 0) {
                slow.waits_for_tasks = true;
                return;
            }
            // One at a time: an undo that the owner still brings comes before
            // those that are older.
            match parts.undo.pop() {
                None => {
                    parts.unwound = true;
                    let memberships = std::mem::take(&mut parts.memberships);
                    let attached = match &mut parts.slow {
                        None => Vec::new(),
                        Some(slow) => std::mem::take(&mut slow.attached),
                    };
                    break (memberships, attached, parts.tally());
                }
                Some(Undo::Sync(undo)) => {
                    drop(parts);
                    self.run(undo);
                }
                Some(Undo::Async(begin)) => {
                    parts.slow().undoing = Some(Underway {
                        beginning: true,
                        ..Underway::default()
                    });
                    // Under the lock, as the end of the one before.
                    if let Some(pulse) = &self.pulse {
                        pulse.undo_begun();
                    }
                    drop(parts);
                    self.contain(|| begin(Next::Unwind));
                    // Whoever comes second goes on: who has begun it, or who ends it.
                    // No recursion, however many end at once.
                    if let Some(underway) = &mut lock(&self.parts).slow().undoing {
                        underway.beginning = false;
                        return;
                    }
                }
            }
        };
        for membership in memberships.into_iter().rev() {
            // The key and the value are the user's.
            self.contain(|| membership.leave());
        }
        for value in attached {
            self.contain(|| drop(value));
        }
        let closed = self.closed().expect("only what has closed is unwound");
        if let Some(outbox) = &self.outbox {
            outbox.settled(self.report(closed));
        }
        self.scope.settle(self, closed, tally);
        let waiters = lock(&self.parts).settled.take();
        waiters.wake();
    }

    fn run(&self, undo: impl FnOnce()) {
        self.contain(undo);
        lock(&self.parts).undone += 1;
    }

    /// An asynchronous undo is over, and dropped.
    pub(crate) fn end_undo(&self, next: Next, unfinished: Option<String>) {
        let given_up = unfinished.is_some();
        let mut parts = lock(&self.parts);
        parts.undone += 1;
        if let Some(name) = unfinished {
            parts.slow().unfinished.push(name);
        }
        if next == Next::Nothing {
            drop(parts);
            self.scope.undone_late(self.id);
            if given_up {
                self.scope.unfinished_late(self.id);
            }
            return;
        }
        let underway = parts.slow().undoing.take().expect("it has begun");
        if let Some(pulse) = &self.pulse {
            pulse.undo_ended();
        }
        drop(parts);
        // The executor's, and who knows what it does.
        self.contain(|| drop(underway.task));
        if !underway.beginning {
            self.unwind();
        }
    }

    /// Whether the asynchronous undo that is under way is to be given up; else `task` is
    /// woken when it is.
    pub(crate) fn is_undo_abandoned(&self, task: &Waker) -> bool {
        let task = task.clone();
        let mut parts = lock(&self.parts);
        let slow = parts.slow();
        let forsaken = slow.forsaken;
        let underway = slow.undoing.as_mut().expect("it has begun");
        let replaced = underway.task.replace(task);
        let abandoned = underway.abandoned || forsaken;
        drop(parts);
        drop(replaced);
        abandoned
    }

    /// Gives up the asynchronous undo that is under way, if it is overdue at `now`.
    pub(crate) fn abandon_overdue_undo(&self, now: u64) {
        self.abandon(|_| {
            self.pulse.as_deref().is_some_and(|pulse| {
                let deadlines = pulse.deadlines(self.scope.deadlines());
                pulse.is_undo_overdue(deadlines, now)
            })
        });
    }

    /// Gives up the asynchronous undo that is under way, and all that would follow.
    pub(crate) fn forsake_undos(&self) {
        self.abandon(|slow| {
            slow.forsaken = true;
            true
        });
    }

    fn abandon(&self, whether: impl FnOnce(&mut Slow) -> bool) {
        let mut parts = lock(&self.parts);
        let slow = parts.slow();
        let task = if whether(slow) {
            slow.undoing.as_mut().and_then(|underway| {
                underway.abandoned = true;
                underway.task.take()
            })
        } else {
            None
        };
        drop(parts);
        if let Some(task) = task {
            wake(task);
        }
    }

    /// Lets the unwinding wait for a task; `false` if it is too late.
    pub(crate) fn begin_task(&self) -> bool {
        let mut parts = lock(&self.parts);
        // Under the lock, which the unwinding takes after the close.
        let open = self.closed().is_none();
        if open {
            parts.slow().tasks += 1;
        }
        open
    }

    pub(crate) fn end_task(&self) {
        let mut parts = lock(&self.parts);
        let slow = parts.slow();
        slow.tasks -= 1;
        let unwind = slow.tasks == 0 && std::mem::take(&mut slow.waits_for_tasks);
        drop(parts);
        if unwind {
            self.unwind();
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
        let mut parts = lock(&self.parts);
        parts.panics.push(message);
        // Once it is unwound, those before have been counted.
        let late = parts.unwound;
        drop(parts);
        if late {
            self.scope.panicked_late(self.id);
        }
    }

    pub(crate) fn scope(&self) -> &Arc<scope::Shared> {
        &self.scope
    }

    /// The one of this type that is attached, or the new one, which is attached from now
    /// on until it is unwound.
    pub(crate) fn attach<T: Any + Send + Sync>(&self, new: Option<T>) -> Option<Arc<T>> {
        let mut parts = lock(&self.parts);
        let attached = &parts.slow().attached;
        let found = attached
            .iter()
            .find_map(|attached| Arc::clone(attached).downcast::<T>().ok());
        let unwound = parts.unwound;
        // Whatever is not needed is dropped when the lock is released (I8).
        match (found, new) {
            (Some(found), new) => {
                drop(parts);
                drop(new);
                Some(found)
            }
            (None, None) => None,
            (None, Some(new)) => {
                let new = Arc::new(new);
                if !unwound {
                    parts.slow().attached.push(Arc::clone(&new) as _);
                }
                Some(new)
            }
        }
    }

    pub(crate) fn touch(&self) {
        if let Some(pulse) = &self.pulse {
            pulse.touch();
        }
    }

    /// If it is looked at whether its reader comes.
    pub(crate) fn watched_reader(&self) -> Option<&Pulse> {
        let pulse = self.pulse.as_deref()?;
        let deadlines = pulse.deadlines(self.scope.deadlines());
        deadlines.stall.is_some().then_some(pulse)
    }

    /// What is overdue at `now`, if anything.
    pub(crate) fn overdue(&self, now: u64) -> Option<Overdue> {
        let pulse = self.pulse.as_deref()?;
        let deadlines = pulse.deadlines(self.scope.deadlines());
        pulse.overdue(deadlines, self.id, self.state(), now)
    }

    /// Says in the word that it has settled. For the scope, as it lets go of it.
    pub(crate) fn mark_settled(&self) {
        self.word.settle();
    }

    pub(crate) fn index(&self) -> usize {
        // ORDERING: Relaxed, because the lock of the shard orders it.
        self.index.load(Ordering::Relaxed) as usize
    }

    pub(crate) fn set_index(&self, index: usize) {
        let index = u32::try_from(index).expect("memory for fewer connections than that");
        self.index.store(index, Ordering::Relaxed);
    }
}

/// The duty to unwind, discharged when it is dropped, so that no panic on the
/// way can lose it. Whoever holds it first drops what is newer than the stack:
/// the output of a step, the source of a stream.
#[must_use]
pub(crate) struct Unwind<'a>(&'a Lifecycle);

impl Drop for Unwind<'_> {
    fn drop(&mut self) {
        self.0.unwind();
    }
}

/// The waker of a source whose reader is watched: notes that there is something to come
/// for, and passes it on to the reader.
impl Wake for Lifecycle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(pulse) = &self.pulse {
            pulse.reader_woken();
        }
        // Left there, for the next time.
        let reader = lock(&self.parts).slow().reader.clone();
        if let Some(reader) = reader {
            reader.wake_by_ref();
        }
    }
}

impl Parts {
    fn slow(&mut self) -> &mut Slow {
        self.slow.get_or_insert_default()
    }

    fn unfinished(&self) -> &[String] {
        self.slow.as_ref().map_or(&[], |slow| &slow.unfinished)
    }

    fn tally(&self) -> Tally {
        Tally {
            undone: self.undone,
            panicked: self.panics.len(),
            unfinished: self.unfinished().len(),
        }
    }

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
