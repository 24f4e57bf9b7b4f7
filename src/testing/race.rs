//! The races by name.

use std::fmt;

/// A race that servers of long-lived streams have when their lifecycles are written by
/// hand.
///
/// # Examples
///
/// ```
/// use hangup::testing::Race;
///
/// assert_eq!(Race::R8.to_string(), "R8 stale close after a reconnect");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Race {
    /// A dead writer is added after the awaits and never removed.
    R1,
    /// The entry leaks.
    R2,
    /// The timer runs for ever after an abnormal disconnect.
    R3,
    /// The abort handler runs before the timer exists, so the timer leaks.
    R4,
    /// The dead writer is added.
    R5,
    /// Cleanup pauses the worker, then set-up resumes it for a dead connection.
    R6,
    /// Cleanup runs twice, counters go below zero.
    R7,
    /// The old connection's cleanup removes the new entry.
    R8,
    /// The old one's `pause` lands after the new one's `resume`.
    R9,
    /// The entry leaks.
    R10,
    /// Events are lost, doubled or out of order.
    R11,
    /// Later undos never run.
    R12,
    /// Code after the await never runs.
    R13,
    /// The server never exits.
    R14,
    /// A connection goes live after the close-all had passed.
    R15,
    /// Nothing fails, nothing is noticed.
    R16,
    /// Deadlock.
    R17,
    /// A corrupt frame.
    R18,
    /// The listener stays on the signal: a slow leak.
    R19,
    /// More connections than the cap.
    R20,
    /// Visible in one, gone from the other.
    R21,
    /// Teardown waits for the next event, which never comes.
    R22,
    /// Two owners, or none.
    R23,
    /// `pause` runs, then the `resume` still in flight takes effect.
    R24,
    /// The cap counts handlers, not streams.
    R25,
}

impl Race {
    /// What happens, in a few words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::R1 => "abort during async set-up",
            Self::R2 => "abort between add and cleanup registration",
            Self::R3 => "heartbeat without an abort signal",
            Self::R4 => "already aborted at entry",
            Self::R5 => "abort between the last check and the add",
            Self::R6 => "abort after the add, during later set-up",
            Self::R7 => "several triggers fire",
            Self::R8 => "stale close after a reconnect",
            Self::R9 => "async undo overlapping the successor",
            Self::R10 => "write fails during the backlog",
            Self::R11 => "publish while the backlog is replayed",
            Self::R12 => "panic in set-up or in an undo",
            Self::R13 => "the handler future is dropped in mid set-up",
            Self::R14 => "shutdown with open streams",
            Self::R15 => "open racing shutdown",
            Self::R16 => "a reader that stops reading",
            Self::R17 => "undo or waker re-enters the registry",
            Self::R18 => "heartbeat inside an event",
            Self::R19 => "closing normally under a long-lived signal",
            Self::R20 => "cap checked first, added later",
            Self::R21 => "two indexes of one connection",
            Self::R22 => "quiet producer",
            Self::R23 => "take-over of a connection that is itself being set up",
            Self::R24 => "undo overlapping the step it undoes",
            Self::R25 => "permit or gauge given back at the response head",
        }
    }
}

impl fmt::Display for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} {}", self.title())
    }
}
