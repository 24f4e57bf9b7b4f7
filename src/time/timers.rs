//! The timers of one connection.

use std::time::Duration;

use super::stamps::{AtomicStamp, Stamp};
use super::{Deadlines, SweepTime};
use crate::id::ConnectionId;
use crate::state::{CloseReason, State};
use crate::sync::{AtomicU64, Ordering};

/// The timers of one connection, which sweeps look at.
///
/// ORDERING: all Relaxed, as in the stamps.
pub(crate) struct Timers {
    /// The deadlines that [`open_with`](crate::Scope::open_with) was given.
    own: Option<Box<Deadlines>>,
    /// By [`Timer`].
    stamps: [AtomicStamp; Timer::COUNT],
    /// When the connection expires, in real time.
    expires: AtomicU64,
    /// The number of the latest sweep that looked at this connection.
    swept: AtomicU64,
}

/// What a deadline is measured from.
#[derive(Debug, Clone, Copy)]
enum Timer {
    /// The connection was opened, in real time: for the maximum age.
    Opened,
    /// The set-up began, in running time, as for all below: for the set-up deadline.
    SetUp,
    /// The peer was last known to be there: for the idle deadline.
    Touched,
    /// The latest item was yielded: for the quiet deadline. Off without a stream.
    Yielded,
    /// An item was yielded or announced that the reader has not come for: for the stall
    /// deadline. Off while the reader is not expected.
    Reader,
    /// The running asynchronous undo began: for the undo deadline.
    Undo,
    /// The connection was closed. Sweeps do not date it before.
    Closed,
}

impl Timer {
    const COUNT: usize = 7;
}

/// Later than any sweep.
const NEVER: u64 = u64::MAX;

/// What a sweep has to do about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    Close(CloseReason),
    AbandonedUndo,
    /// It has been closed for so long that the observer is to be told, once.
    Unsettled,
}

impl Timers {
    /// `expires` is in real time.
    pub(crate) fn new(own: Option<Deadlines>, expires: Option<u64>) -> Self {
        let (new, off) = (Stamp::New, Stamp::Off);
        Self {
            own: own.map(Box::new),
            stamps: [new, new, new, off, off, off, new].map(AtomicStamp::new),
            expires: AtomicU64::new(expires.unwrap_or(NEVER)),
            swept: AtomicU64::new(0),
        }
    }

    fn stamp(&self, timer: Timer) -> &AtomicStamp {
        &self.stamps[timer as usize]
    }

    pub(crate) fn deadlines<'a>(&'a self, of_scope: &'a Deadlines) -> &'a Deadlines {
        self.own.as_deref().unwrap_or(of_scope)
    }

    /// Whether one of the deadlines ends a connection whatever its streams do.
    pub(crate) fn bound_life(&self, of_scope: &Deadlines) -> bool {
        let deadlines = self.deadlines(of_scope);
        let expires = self.expires.load(Ordering::Relaxed) != NEVER;
        expires || deadlines.idle.is_some() || deadlines.max_age.is_some()
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

    /// An item was yielded, or the stream begins.
    pub(crate) fn yielded(&self) {
        self.stamp(Timer::Yielded).renew();
    }

    /// Expires at this real time, whatever was said before.
    pub(crate) fn expire_at(&self, time: u64) {
        self.expires.store(time, Ordering::Relaxed);
    }

    pub(crate) fn undo_begun(&self) {
        self.stamp(Timer::Undo).renew();
    }

    /// Whether the running undo is overdue. The caller holds the lock under which undos
    /// begin and end: the undo that a sweep has seen may be over.
    pub(crate) fn is_undo_overdue(&self, deadlines: &Deadlines, time: SweepTime) -> bool {
        match (deadlines.undo, self.stamp(Timer::Undo).load()) {
            (Some(limit), Stamp::At(since)) => time.running.saturating_sub(since) >= nanos(limit),
            _ => false,
        }
    }

    /// How long ago the connection was closed, which it was, in the running time of the
    /// latest sweep: 0 until a sweep has dated it.
    pub(crate) fn closed_for(&self, latest: SweepTime) -> Duration {
        self.time_since(Timer::Closed, latest)
    }

    /// How long ago the peer was last known to be there, in the same time.
    pub(crate) fn touched_for(&self, latest: SweepTime) -> Duration {
        self.time_since(Timer::Touched, latest)
    }

    fn time_since(&self, timer: Timer, latest: SweepTime) -> Duration {
        Duration::from_nanos(match self.stamp(timer).load() {
            Stamp::At(time) => latest.running.saturating_sub(time),
            Stamp::New | Stamp::Seen | Stamp::Off => 0,
        })
    }

    /// What is overdue of a connection in `state` at `time`, if one that is closed is to be
    /// told of after `settle`. `None` if this sweep has looked at it already: it moved within
    /// its shard.
    pub(crate) fn overdue(
        &self,
        deadlines: &Deadlines,
        settle: Option<Duration>,
        id: ConnectionId,
        state: State,
        time: SweepTime,
    ) -> Option<Overdue> {
        // `age` brings the stamp closer to its date, so each is looked at once per sweep.
        if self.swept.load(Ordering::Relaxed) == time.number {
            return None;
        }
        self.swept.store(time.number, Ordering::Relaxed);
        let passed = |timer, now, limit: Option<Duration>| {
            limit.is_some_and(|limit| self.stamp(timer).age(now) >= nanos(limit))
        };
        let (real, running) = (time.real, time.running);
        if state.is_closed() {
            let is_late = passed(Timer::Closed, running, settle.or(Some(Duration::MAX)));
            if passed(Timer::Undo, running, deadlines.undo) {
                return Some(Overdue::AbandonedUndo);
            }
            // The set-up is over, so its stamp tells whether it was told.
            let told = self.stamp(Timer::SetUp);
            if settle.is_none() || !is_late || told.load() == Stamp::Off {
                return None;
            }
            told.set(Stamp::Off);
            return Some(Overdue::Unsettled);
        }
        let is_live = state.is_live();
        // Dated without an idle deadline too, for those who ask how long it is idle.
        let idle = deadlines.idle.or(Some(Duration::MAX));
        let is_idle = is_live && passed(Timer::Touched, running, idle);
        let reason = if passed(Timer::Opened, real, deadlines.max_age_of(id))
            || self.expires.load(Ordering::Relaxed) <= real
            || (!is_live && passed(Timer::SetUp, running, deadlines.setup))
        {
            CloseReason::Expired
        } else if !is_live {
            return None;
        } else if is_idle || passed(Timer::Yielded, running, deadlines.quiet) {
            CloseReason::Idle
        } else if passed(Timer::Reader, running, deadlines.stall) {
            CloseReason::Stalled
        } else {
            return None;
        };
        Some(Overdue::Close(reason))
    }
}

/// At least 1, so that a limit of zero passes when the stamp has a date and a later sweep
/// looks at it.
fn nanos(limit: Duration) -> u64 {
    u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1)
}
