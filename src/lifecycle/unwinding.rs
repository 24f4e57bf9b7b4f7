//! Undoing what was acquired, newest first, exactly once (I2).

use super::Lifecycle;
use super::memberships::Memberships;
use super::undo_elsewhere::Underway;
use super::undos::{Elsewhere, Here, Kind, Next, Undo};
use crate::settled::Tally;
use crate::sync::lock;
use crate::waiters::wake;
use crate::word::Behind;

/// The duty to unwind, discharged when it is dropped, so that no panic on the
/// way can lose it. Whoever holds it first drops what is newer than the stack:
/// the output of a step, the source of a stream.
#[must_use]
pub(crate) struct Unwind<'a> {
    lifecycle: &'a Lifecycle,
    behind: Behind,
}

impl<'a> Unwind<'a> {
    pub(super) fn new(lifecycle: &'a Lifecycle, behind: Behind) -> Self {
        Self { lifecycle, behind }
    }
}

impl Drop for Unwind<'_> {
    fn drop(&mut self) {
        match self.behind {
            Behind::Something => self.lifecycle.unwind(),
            Behind::Nothing => self.lifecycle.settle(Tally::default()),
        }
    }
}

impl Lifecycle {
    /// Puts an undo on the stack. If the stack has been unwound already, the undo
    /// runs here and now.
    pub(crate) fn push_undo(&self, undo: impl FnOnce() + Send + 'static) {
        self.push(Here::new(undo));
    }

    /// Puts one on the stack that runs elsewhere.
    pub(crate) fn push_undo_elsewhere(&self, begin: impl FnOnce(Next) + Send + 'static) {
        self.push(Elsewhere::new(begin));
    }

    fn push(&self, undo: Box<dyn Undo>) {
        let mut parts = self.fill_parts();
        if !parts.unwound {
            // Also when closed: whoever unwinds, or will when the step ends,
            // finds it on top.
            parts.undos.push(undo);
            return;
        }
        let kind = undo.kind();
        if kind == Kind::Here {
            parts.undone += 1;
        }
        drop(parts);
        self.contain(|| undo.run(Next::Nothing));
        if kind == Kind::Here {
            self.group.undone_late(self.id);
        }
    }

    /// Wakes all who are to know that it has closed, and unwinds it.
    pub(super) fn wake_and_unwind(&self) {
        let mut parts = lock(&self.parts);
        if parts.slow.is_some() || !parts.undos.is_empty() {
            let woken = parts.woken_by_close();
            drop(parts);
            woken.wake(self);
            self.unwind();
            return;
        }
        // Most have nothing but an owner that sleeps and places in registries: for these,
        // all of it at once.
        parts.unwound = true;
        let owner = parts.owner.take();
        let memberships = std::mem::take(&mut parts.memberships);
        let tally = parts.tally();
        drop(parts);
        if let Some(owner) = owner {
            wake(owner);
        }
        self.leave(memberships);
        self.settle(tally);
    }

    /// The duty of exactly one thread, which the word handed to it (I2); or of whoever
    /// ended what the unwinding waited for.
    pub(super) fn unwind(&self) {
        let (memberships, attached, tally) = loop {
            let mut parts = lock(&self.parts);
            if let Some(slow) = parts.slow.as_mut().filter(|slow| slow.tasks > 0) {
                slow.waits_for_tasks = true;
                return;
            }
            // One at a time: an undo that the owner still brings comes before
            // those that are older.
            let Some(undo) = parts.undos.pop() else {
                parts.unwound = true;
                let memberships = std::mem::take(&mut parts.memberships);
                let attached = match &mut parts.slow {
                    None => Vec::new(),
                    Some(slow) => std::mem::take(&mut slow.attached),
                };
                break (memberships, attached, parts.tally());
            };
            match undo.kind() {
                Kind::Here => {
                    parts.undone += 1;
                    drop(parts);
                    self.contain(|| undo.run(Next::Unwind));
                }
                Kind::Elsewhere => {
                    parts.slow().undoing = Some(Underway::beginning());
                    // Under the lock: who gives up one that is overdue means that one.
                    if let Some(pulse) = &self.pulse {
                        pulse.undo_begun();
                    }
                    drop(parts);
                    self.contain(|| undo.run(Next::Unwind));
                    // Whoever comes second goes on: who has begun it, or who ends it.
                    // No recursion, however many end at once.
                    if let Some(underway) = &mut lock(&self.parts).slow().undoing {
                        underway.beginning = false;
                        return;
                    }
                }
            }
        };
        self.leave(memberships);
        for value in attached {
            self.contain(|| drop(value));
        }
        self.settle(tally);
    }

    fn leave(&self, mut memberships: Memberships) {
        while let Some(membership) = memberships.pop() {
            // The key and the value are the user's.
            self.contain(|| membership.leave(self));
        }
    }

    #[inline]
    pub(super) fn settle(&self, tally: Tally) {
        let closed = self.word.load();
        if let Some(outbox) = &self.outbox {
            outbox.settled(self.report(closed.how_it_closed()));
        }
        let awaited = self.group.settle(self, closed, tally);
        if awaited {
            let waiters = lock(&self.parts).slow().settled.take();
            waiters.wake();
        }
    }
}
