//! Undoing what was acquired, newest first, exactly once (I2).

use super::Lifecycle;
use super::cell::Inner;
use super::event_queue::EventQueue;
use super::memberships::{Exit, Memberships};
use super::running_undo::{RunningKind, RunningUndo};
use super::settled::UndoCounts;
use super::undos::{Kind, Undos};
use crate::state::Closed;
use crate::sync::waiters::wake;
use crate::sync::{MutexGuard, lock};

impl Lifecycle {
    /// Puts an undo on the stack, as [`push_undos`](Self::push_undos).
    pub(crate) fn push_undo(&self, undo: impl FnOnce() + Send + 'static) {
        let mut inner = self.lock_to_store();
        debug_assert!(!inner.is_unwound(), "the owner has not unwound yet");
        inner.undos.push_sync(undo);
    }

    /// Puts undos on the stack. For an owner that has the duty to unwind: until it has done
    /// so, the stack is looked at again (I5).
    pub(crate) fn push_undos(&self, undos: Undos) {
        if undos.is_empty() {
            return;
        }
        let mut inner = self.lock_to_store();
        debug_assert!(!inner.is_unwound(), "the owner has not unwound yet");
        inner.undos.append(undos);
    }

    /// Puts undos on the stack of those that run after all others, as
    /// [`push_undos`](Self::push_undos).
    pub(crate) fn push_last_undos(&self, undos: Undos) {
        let mut inner = self.lock_to_store();
        debug_assert!(!inner.is_unwound(), "the owner has not unwound yet");
        inner.cold().last_undos.append(undos);
    }

    /// Wakes the owner and the waiters for `closed`, ends the tasks, runs the undos, leaves
    /// the registries and settles.
    ///
    /// The word gives this duty to one thread (I2). If the unwinding has to wait for tasks
    /// or for an asynchronous undo, the thread that ends these continues it here.
    #[inline]
    pub(super) fn unwind_now(&self) {
        let inner = lock(&self.inner);
        if inner.has_more_than_places() {
            return self.undo_all(inner);
        }
        let places = self.take_places_from(inner);
        self.leave(places, Exit::Settling { clean: true });
        self.settle_without_undos();
    }

    /// Wakes the owner and takes the places in registries, if to give these back and to settle
    /// the connection is all that is left to do: the caller does that. Else it returns `false`
    /// and does nothing.
    #[inline]
    pub(super) fn take_places(&self, places: &mut Memberships) -> bool {
        let inner = lock(&self.inner);
        if inner.has_more_than_places() {
            return false;
        }
        *places = self.take_places_from(inner);
        true
    }

    /// The usual end of a connection: a place in a registry, and a task that sleeps.
    #[inline(always)]
    fn take_places_from(&self, mut inner: MutexGuard<'_, Inner>) -> Memberships {
        let memberships = std::mem::take(&mut inner.memberships);
        let owner = inner.progress.take_waker();
        debug_assert_eq!(
            inner.progress.unwinding().undos_run(),
            0,
            "an undo that runs later leaves the cold part behind"
        );
        inner.progress.unwound();
        drop(inner);
        if let Some(owner) = owner {
            wake(owner);
        }
        memberships
    }

    #[inline(never)]
    fn undo_all<'a>(&'a self, mut inner: MutexGuard<'a, Inner>) {
        let (memberships, counts) = loop {
            let to_wake = inner.take_to_wake();
            if let Some(cold) = inner.cold.as_mut().filter(|cold| cold.has_tasks()) {
                cold.waits_for_tasks = true;
                drop(inner);
                to_wake.wake(self);
                return;
            }
            let (kind, undo) = match (inner.undos.pop(), &mut inner.cold) {
                (Some(undo), _) => (RunningKind::Undo, Some(undo)),
                (None, Some(cold)) => (RunningKind::Last, cold.last_undos.pop()),
                (None, None) => (RunningKind::Last, None),
            };
            let Some(mut undo) = undo else {
                inner.progress.unwound();
                let memberships = std::mem::take(&mut inner.memberships);
                let counts = inner.undo_counts();
                drop(inner);
                to_wake.wake(self);
                break (memberships, counts);
            };
            match undo.kind() {
                Kind::Sync => {
                    inner.progress.undo_has_run();
                    drop(inner);
                    to_wake.wake(self);
                    self.catch_panic(|| undo.run());
                }
                Kind::Async(label) => {
                    drop(inner);
                    to_wake.wake(self);
                    if !self.start_undo(RunningUndo::new(kind, label), undo) {
                        return;
                    }
                }
            }
            inner = lock(&self.inner);
        };
        self.leave(memberships, Exit::settling(counts));
        self.settle(counts);
    }

    #[inline]
    pub(super) fn leave(&self, memberships: Memberships, exit: Exit) {
        // The key and the value are the user's.
        memberships.leave_each(|slot| self.catch_panic(move || slot.leave(exit)));
    }

    /// By itself, since most connections have none and a count of nothing need not be kept.
    #[inline(never)]
    pub(super) fn settle_without_undos(&self) {
        self.settle(UndoCounts::default());
    }

    #[inline(always)]
    fn settle(&self, counts: UndoCounts) {
        let closed = self.word().load().how_it_closed();
        if let Some(events) = self.events() {
            self.tell_settled(events, closed);
        }
        let has_waiter = self.group.settle(self, closed, counts);
        if has_waiter {
            self.wake_settled();
        }
    }

    #[inline(never)]
    pub(super) fn tell_settled(&self, events: &EventQueue<Self>, closed: Closed) {
        events.settled(self.report(closed));
    }

    #[inline(never)]
    pub(super) fn wake_settled(&self) {
        let waiters = lock(&self.inner).cold().settled.take();
        waiters.wake();
    }
}

impl Inner {
    #[inline]
    fn has_more_than_places(&self) -> bool {
        !self.undos.is_empty() || self.cold.is_some()
    }
}
