//! What a handler waits for in a trial: points and ticks.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{INJECTED, Trial};
use crate::ledger::Held;

/// Future of [`Trial::point`]. It is pending once, and longer while the server of a pipe has
/// yet to read that the client has gone.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Point {
    pub(super) trial: Trial,
    /// `None` after the first poll.
    pub(super) label: Option<String>,
}

impl Future for Point {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(label) = self.label.take() {
            self.trial.wait_at(&label, true);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if std::mem::take(&mut self.trial.state().panic_here) {
            // `resume_unwind` bypasses the panic hook, which would print an injected
            // panic.
            resume_unwind(Box::new(INJECTED));
        }
        if self.trial.is_held(cx.waker()) {
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

/// A timer of [`Trial::timer`].
#[must_use = "it stops when this is dropped"]
#[derive(Debug)]
pub struct Timer {
    pub(super) trial: Trial,
    pub(super) name: String,
    pub(super) _held: Held,
}

impl Timer {
    /// Waits for the next tick.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future removes its waker. The next call waits for a later tick.
    pub fn tick(&mut self) -> Tick<'_> {
        Tick {
            timer: self,
            sleeping: None,
        }
    }
}

/// Future of [`Timer::tick`].
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Tick<'a> {
    timer: &'a Timer,
    /// The key of the waker, and the time at the first poll.
    sleeping: Option<(u64, u64)>,
}

impl Future for Tick<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let trial = &self.timer.trial;
        // Cloning a waker is user code, so it happens before the lock is taken.
        let waker = cx.waker().clone();
        let mut state = trial.state();
        let (number, since) = self.sleeping.unwrap_or_else(|| {
            state.next += 1;
            (state.next, state.now)
        });
        if state.now > since {
            drop(state);
            return Poll::Ready(());
        }
        let replaced = state.sleepers.insert(number, waker);
        drop(state);
        drop(replaced);
        trial.wait_at(&format!("timer {}", self.timer.name), false);
        self.sleeping = Some((number, since));
        Poll::Pending
    }
}

impl Drop for Tick<'_> {
    fn drop(&mut self) {
        if let Some((number, _)) = self.sleeping {
            let removed = self.timer.trial.state().sleepers.remove(&number);
            drop(removed);
        }
    }
}
