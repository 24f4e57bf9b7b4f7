//! Undoing what was acquired, newest first, exactly once (I2).

use std::any::Any;
use std::sync::Arc;

use super::memberships::Memberships;
use super::undo_elsewhere::Underway;
use super::undos::{Elsewhere, Here, Kind, Undo};
use super::{Lifecycle, Parts, Tally};
use crate::sync::lock;
use crate::undoing::Next;
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

/// What is left when everything is undone.
struct Rest {
    memberships: Memberships,
    attached: Vec<Arc<dyn Any + Send + Sync>>,
    tally: Tally,
}

impl Parts {
    fn awaits_tasks(&self) -> bool {
        self.slow.as_ref().is_some_and(|slow| slow.tasks > 0)
    }

    /// The undo stack is empty, and what comes later is late.
    fn end(&mut self) -> Rest {
        self.unwound = true;
        Rest {
            memberships: std::mem::take(&mut self.memberships),
            attached: match &mut self.slow {
                None => Vec::new(),
                Some(slow) => std::mem::take(&mut slow.attached),
            },
            tally: self.tally(),
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
            self.scope.undone_late(self.id);
        }
    }

    /// Wakes all who are to know that it has closed, and unwinds it.
    pub(super) fn wake_and_unwind(&self) {
        let mut parts = lock(&self.parts);
        let woken = parts.woken_by_close();
        // Now, if there is nothing to do before: most have no undo when they close.
        let rest = if parts.awaits_tasks() || !parts.undos.is_empty() {
            None
        } else {
            Some(parts.end())
        };
        drop(parts);
        woken.wake(self);
        match rest {
            Some(rest) => self.leave(rest),
            None => self.unwind(),
        }
    }

    /// The duty of exactly one thread, which the word handed to it (I2); or of whoever
    /// ended what the unwinding waited for.
    pub(super) fn unwind(&self) {
        let rest = loop {
            let mut parts = lock(&self.parts);
            if parts.awaits_tasks() {
                parts.slow().waits_for_tasks = true;
                return;
            }
            // One at a time: an undo that the owner still brings comes before
            // those that are older.
            let Some(undo) = parts.undos.pop() else {
                break parts.end();
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
        self.leave(rest);
    }

    fn leave(&self, rest: Rest) {
        let Rest {
            mut memberships,
            attached,
            tally,
        } = rest;
        while let Some(membership) = memberships.pop() {
            // The key and the value are the user's.
            self.contain(|| membership.leave(self));
        }
        for value in attached {
            self.contain(|| drop(value));
        }
        self.settle(tally);
    }

    pub(super) fn settle(&self, tally: Tally) {
        let closed = self.word.load();
        if let Some(outbox) = &self.outbox {
            outbox.settled(self.report(closed.how_it_closed()));
        }
        let awaited = self.scope.settle(self, closed, tally);
        if awaited {
            let waiters = lock(&self.parts).slow().settled.take();
            waiters.wake();
        }
    }
}
