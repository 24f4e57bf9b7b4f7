//! Since when a connection is what it is, without a clock.
//!
//! What happens to a connection is noted as *fresh*. The next sweep has *seen* it, and the
//! one after that dates it, with a time that was read after it had happened. So whoever
//! notes something reads no clock, and no deadline passes early.
//!
//! ORDERING: all Relaxed. Nothing but a deadline, which is coarse, hangs on a stamp; who
//! closes does so through the word.

use std::time::Duration;

use crate::deadlines::Deadlines;
use crate::id::ConnectionId;
use crate::state::{CloseReason, State};
use crate::sync::{AtomicU64, Ordering};

/// What the sweeps of one connection are told, and have found out.
pub(crate) struct Pulse {
    /// If they are others than those of its scope.
    own: Option<Box<Deadlines>>,
    opened: Stamp,
    touched: Stamp,
    /// Since when the reader has something to come for.
    reader: Stamp,
    /// Since when an asynchronous undo runs.
    undoing: Stamp,
}

/// What a sweep has to do about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    Close(CloseReason),
    AbandonUndo,
}

impl Pulse {
    pub(crate) fn new(own: Option<Deadlines>) -> Self {
        Self {
            own: own.map(Box::new),
            opened: Stamp::new(FRESH),
            touched: Stamp::new(FRESH),
            reader: Stamp::new(OFF),
            undoing: Stamp::new(OFF),
        }
    }

    pub(crate) fn deadlines<'a>(&'a self, of_scope: &'a Deadlines) -> &'a Deadlines {
        self.own.as_deref().unwrap_or(of_scope)
    }

    pub(crate) fn touch(&self) {
        self.touched.freshen();
    }

    /// The reader is here: it has come for whatever there is.
    pub(crate) fn reader_came(&self) {
        self.reader.set(OFF);
    }

    /// There is something for the reader to come for.
    pub(crate) fn reader_expected(&self) {
        self.reader.set(FRESH);
    }

    /// The source has woken the reader. If it was expected already, it still is, for as
    /// long as it was.
    pub(crate) fn reader_woken(&self) {
        let _: Result<u64, u64> =
            self.reader
                .0
                .compare_exchange(OFF, FRESH, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether the undo that runs now is overdue: not the one that a sweep has seen, if
    /// that is over. Under the lock under which undos begin and end.
    pub(crate) fn is_undo_overdue(&self, deadlines: &Deadlines, now: u64) -> bool {
        let since = self.undoing.0.load(Ordering::Relaxed);
        // One that is off is later than any `now`.
        let limit = deadlines.undo.filter(|_| since >= FIRST);
        limit.is_some_and(|limit| now.saturating_sub(since) >= nanos(limit))
    }

    pub(crate) fn undo_begun(&self) {
        self.undoing.freshen();
    }

    /// What is overdue of a connection in `state`, `now` being the time in nanoseconds.
    pub(crate) fn overdue(
        &self,
        deadlines: &Deadlines,
        id: ConnectionId,
        state: State,
        now: u64,
    ) -> Option<Overdue> {
        // Each stamp once: to look at it is a step nearer to its date.
        let passed = |stamp: &Stamp, limit: Option<Duration>| {
            limit.is_some_and(|limit| stamp.age(now) >= nanos(limit))
        };
        let age = deadlines.max_age_of(id);
        let lifetime = match state {
            State::Closed(_) => {
                return passed(&self.undoing, deadlines.undo).then_some(Overdue::AbandonUndo);
            }
            State::Pending | State::Registering => shorter(age, deadlines.setup),
            State::Live => age,
        };
        let reason = if passed(&self.opened, lifetime) {
            CloseReason::Expired
        } else if !state.is_live() {
            return None;
        } else if passed(&self.touched, deadlines.idle) {
            CloseReason::Idle
        } else if passed(&self.reader, deadlines.stall) {
            CloseReason::Stalled
        } else {
            return None;
        };
        Some(Overdue::Close(reason))
    }
}

/// A time in nanoseconds since some instant before all sweeps, or one of these.
struct Stamp(AtomicU64);

/// Since the last sweep, or during that.
const FRESH: u64 = 0;
/// Since the one before.
const SEEN: u64 = 1;
/// No time is earlier.
pub(crate) const FIRST: u64 = 2;
/// Not at all.
const OFF: u64 = u64::MAX;

impl Stamp {
    fn new(stamp: u64) -> Self {
        Self(AtomicU64::new(stamp))
    }

    #[cfg(not(hangup_loom))]
    fn set(&self, stamp: u64) {
        self.0.store(stamp, Ordering::Relaxed);
    }

    /// To loom, a store may come in the middle of an exchange that was over before it.
    #[cfg(hangup_loom)]
    fn set(&self, stamp: u64) {
        self.0.swap(stamp, Ordering::Relaxed);
    }

    /// A load, unless a sweep has been here since.
    fn freshen(&self) {
        if self.0.load(Ordering::Relaxed) != FRESH {
            self.0.store(FRESH, Ordering::Relaxed);
        }
    }

    /// How old it is; a step nearer to its date if it has none.
    fn age(&self, now: u64) -> u64 {
        let since = self.0.load(Ordering::Relaxed);
        let next = match since {
            OFF => return 0,
            FRESH => SEEN,
            SEEN => now,
            dated => return now.saturating_sub(dated),
        };
        // Else it is fresh again, or off.
        let _: Result<u64, u64> =
            self.0
                .compare_exchange(since, next, Ordering::Relaxed, Ordering::Relaxed);
        0
    }
}

/// The one that is over first, if there is any.
fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

/// A limit of zero is over when something is dated and looked at again.
fn nanos(limit: Duration) -> u64 {
    u64::try_from(limit.as_nanos()).unwrap_or(OFF).max(1)
}
