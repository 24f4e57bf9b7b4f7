//! Undoing what was acquired, newest first, exactly once (I2).

use super::Lifecycle;
use super::memberships::Memberships;
use super::running_undo::RunningUndo;
use super::settled::UndoCounts;
use super::undos::{BeginUndo, Kind, SyncUndo, Then, Undo};
use crate::sync::lock;

impl Lifecycle {
    /// Puts an undo on the stack. If the stack has been unwound already, the undo runs
    /// here and now.
    pub(crate) fn push_undo(&self, undo: impl FnOnce() + Send + 'static) {
        self.push(SyncUndo::new(undo));
    }

    /// Puts an asynchronous undo on the stack: `begin` begins it, and `end_undo` is called
    /// when it is over.
    pub(crate) fn push_async_undo(&self, begin: impl FnOnce(Then) + Send + 'static) {
        self.push(BeginUndo::new(begin));
    }

    fn push(&self, undo: Box<dyn Undo>) {
        let mut inner = self.lock_to_store();
        if !inner.unwound {
            // After the close too: the thread that unwinds, or will unwind when the step
            // ends, finds it on top.
            inner.undos.push(undo);
            return;
        }
        let kind = undo.kind();
        if kind == Kind::Sync {
            inner.undos_run += 1;
        }
        drop(inner);
        self.catch_panic(|| undo.run(Then::Stop));
        if kind == Kind::Sync {
            self.group.undone_late(self.id());
        }
    }

    /// Wakes the owner and the waiters for `closed`, ends the tasks, runs the undos, leaves
    /// the registries and settles.
    ///
    /// The word gives this duty to one thread (I2). If the unwinding has to wait for tasks
    /// or for an asynchronous undo, the thread that ends these continues it here.
    pub(super) fn unwind(&self) {
        let (memberships, counts) = loop {
            let mut inner = lock(&self.inner);
            let to_wake = inner.take_to_wake();
            if let Some(cold) = inner.cold.as_mut().filter(|cold| cold.tasks > 0) {
                cold.waits_for_tasks = true;
                drop(inner);
                to_wake.wake(self);
                return;
            }
            // One at a time: an undo that the owner registers now comes before the older
            // ones.
            let Some(undo) = inner.undos.pop() else {
                inner.unwound = true;
                let memberships = std::mem::take(&mut inner.memberships);
                let counts = inner.undo_counts();
                drop(inner);
                to_wake.wake(self);
                break (memberships, counts);
            };
            match undo.kind() {
                Kind::Sync => {
                    inner.undos_run += 1;
                    drop(inner);
                    to_wake.wake(self);
                    self.catch_panic(|| undo.run(Then::UnwindOlder));
                }
                Kind::Async => {
                    inner.cold().running_undo = Some(RunningUndo::beginning());
                    // Under the lock: a sweep that abandons an overdue undo means this one.
                    if let Some(timers) = &self.timers {
                        timers.undo_begun();
                    }
                    drop(inner);
                    to_wake.wake(self);
                    self.catch_panic(|| undo.run(Then::UnwindOlder));
                    // The undo may complete inside `run`. Of this loop and `end_undo`, the
                    // later one continues, so neither recurses.
                    if let Some(running) = &mut lock(&self.inner).cold().running_undo {
                        running.beginning = false;
                        return;
                    }
                }
            }
        };
        self.leave(memberships);
        self.settle(counts);
    }

    fn leave(&self, mut memberships: Memberships) {
        while let Some(membership) = memberships.pop() {
            // The key and the value are the user's.
            self.catch_panic(|| membership.leave());
        }
    }

    #[inline]
    pub(super) fn settle(&self, counts: UndoCounts) {
        let closed = self.word().load().how_it_closed();
        if let Some(events) = &self.events {
            events.settled(self.report(closed));
        }
        let has_waiter = self.group.settle(self, closed, counts);
        if has_waiter {
            let waiters = lock(&self.inner).cold().settled.take();
            waiters.wake();
        }
    }
}
