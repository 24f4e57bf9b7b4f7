//! The timers of one connection.

use std::time::Duration;

use super::Deadlines;
use super::stamps::{AtomicStamp, Stamp};
use crate::id::ConnectionId;
use crate::state::{CloseReason, State};

/// The timers of one connection, which sweeps look at.
pub(crate) struct Timers {
    /// The deadlines that [`open_with`](crate::Scope::open_with) was given.
    own: Option<Box<Deadlines>>,
    /// By [`Timer`].
    stamps: [AtomicStamp; 4],
}

/// What a deadline is measured from.
#[derive(Debug, Clone, Copy)]
enum Timer {
    /// The connection was opened: for the set-up deadline and the maximum age.
    Opened,
    /// The peer was last known to be there: for the idle deadline.
    Touched,
    /// An item was yielded or announced that the reader has not come for: for the stall
    /// deadline. Off while the reader is not expected.
    Reader,
    /// The running asynchronous undo began: for the undo deadline.
    Undo,
}

/// What a sweep has to do about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    Close(CloseReason),
    AbandonedUndo,
}

impl Timers {
    pub(crate) fn new(own: Option<Deadlines>) -> Self {
        Self {
            own: own.map(Box::new),
            stamps: [Stamp::New, Stamp::New, Stamp::Off, Stamp::Off].map(AtomicStamp::new),
        }
    }

    fn stamp(&self, timer: Timer) -> &AtomicStamp {
        &self.stamps[timer as usize]
    }

    pub(crate) fn deadlines<'a>(&'a self, of_scope: &'a Deadlines) -> &'a Deadlines {
        self.own.as_deref().unwrap_or(of_scope)
    }

    pub(crate) fn touch(&self) {
        self.stamp(Timer::Touched).renew();
    }

    /// The reader polls: it has come for all items so far.
    pub(crate) fn reader_came(&self) {
        self.stamp(Timer::Reader).set(Stamp::Off);
    }

    /// The reader was given an item, and is expected to come for the next one.
    pub(crate) fn reader_expected(&self) {
        self.stamp(Timer::Reader).set(Stamp::New);
    }

    /// The source has woken the reader. A reader that was expected before stays expected
    /// since then.
    pub(crate) fn reader_woken(&self) {
        self.stamp(Timer::Reader).renew_if_off();
    }

    pub(crate) fn undo_begun(&self) {
        self.stamp(Timer::Undo).renew();
    }

    /// Whether the running undo is overdue. The caller holds the lock under which undos
    /// begin and end: the undo that a sweep has seen may be over.
    pub(crate) fn is_undo_overdue(&self, deadlines: &Deadlines, now: u64) -> bool {
        match (deadlines.undo, self.stamp(Timer::Undo).load()) {
            (Some(limit), Stamp::At(since)) => now.saturating_sub(since) >= nanos(limit),
            _ => false,
        }
    }

    /// What is overdue of a connection in `state` at `now`.
    pub(crate) fn overdue(
        &self,
        deadlines: &Deadlines,
        id: ConnectionId,
        state: State,
        now: u64,
    ) -> Option<Overdue> {
        // Once per timer and sweep, since `age` brings the stamp closer to its date.
        let passed = |timer, limit: Option<Duration>| {
            limit.is_some_and(|limit| self.stamp(timer).age(now) >= nanos(limit))
        };
        let max_age = deadlines.max_age_of(id);
        let lifetime = match state {
            State::Closed(_) => {
                return passed(Timer::Undo, deadlines.undo).then_some(Overdue::AbandonedUndo);
            }
            State::Pending | State::Registering => shorter(max_age, deadlines.setup),
            State::Live => max_age,
        };
        let reason = if passed(Timer::Opened, lifetime) {
            CloseReason::Expired
        } else if !state.is_live() {
            return None;
        } else if passed(Timer::Touched, deadlines.idle) {
            CloseReason::Idle
        } else if passed(Timer::Reader, deadlines.stall) {
            CloseReason::Stalled
        } else {
            return None;
        };
        Some(Overdue::Close(reason))
    }
}

fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

/// At least 1, so that a limit of zero passes when the stamp has a date and a later sweep
/// looks at it.
fn nanos(limit: Duration) -> u64 {
    u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1)
}
