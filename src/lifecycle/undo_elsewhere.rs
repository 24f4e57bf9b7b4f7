//! The asynchronous undo that is under way.

use std::task::Waker;

use super::undos::Next;
use super::{Lifecycle, Slow};
use crate::sync::lock;
use crate::waiters::wake;

/// The asynchronous undo that is under way.
pub(super) struct Underway {
    /// Whoever began it has not come back yet, and looks whether it has ended.
    pub(super) beginning: bool,
    abandoned: bool,
    task: Option<Waker>,
}

impl Underway {
    pub(super) fn beginning() -> Self {
        Self {
            beginning: true,
            abandoned: false,
            task: None,
        }
    }
}

impl Lifecycle {
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
            self.group.undone_late(self.id);
            if given_up {
                self.group.unfinished_late(self.id);
            }
            return;
        }
        let underway = parts.slow().undoing.take().expect("it has begun");
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
                let deadlines = pulse.deadlines(self.group.deadlines());
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
}
