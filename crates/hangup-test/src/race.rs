//! The races and their titles.

use std::fmt;

/// A race that long-lived server streams are prone to.
///
/// Its `Display` is its number and its title.
///
/// # Examples
///
/// ```
/// use hangup_test::Race;
///
/// assert_eq!(Race::R8.to_string(), "R8 stale close after a reconnect");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Race {
    /// Abort during async set-up: a dead writer is added after the awaits and never
    /// removed.
    R1,
    /// Abort between add and cleanup registration: the entry leaks.
    R2,
    /// Heartbeat without an abort signal: the timer runs for ever after an abnormal
    /// disconnect.
    R3,
    /// Already aborted at entry: the abort handler runs before the timer exists, so the
    /// timer leaks.
    R4,
    /// Abort between the last check and the add: the dead writer is added.
    R5,
    /// Abort after the add, during later set-up: cleanup pauses the worker, then set-up
    /// resumes it for a dead connection.
    R6,
    /// Several triggers fire: cleanup runs twice, counters go below zero.
    R7,
    /// Stale close after a reconnect: the old connection's cleanup removes the new
    /// entry.
    R8,
    /// Async undo overlapping the successor: the old one's `pause` lands after the new
    /// one's `resume`.
    R9,
    /// Write fails during the backlog: the entry leaks.
    R10,
    /// Publish while the backlog is replayed: events are lost, doubled or out of order.
    R11,
    /// Panic in set-up or in an undo: later undos never run.
    R12,
    /// The handler future is dropped in mid set-up: code after the await never runs.
    R13,
    /// Shutdown with open streams: the server never exits.
    R14,
    /// Open racing shutdown: a connection goes live after the close-all had passed.
    R15,
    /// A reader that stops reading: no write fails, so the server does not notice.
    R16,
    /// Undo or waker re-enters the registry: deadlock.
    R17,
    /// Heartbeat inside an event: a corrupt frame.
    R18,
    /// Closing normally under a long-lived signal: the listener stays on the signal: a
    /// slow leak.
    R19,
    /// Cap checked first, added later: more connections than the cap.
    R20,
    /// Two indexes of one connection: visible in one, gone from the other.
    R21,
    /// Quiet producer: teardown waits for the next event, which never comes.
    R22,
    /// Take-over of a connection that is itself being set up: two owners, or none.
    R23,
    /// Undo overlapping the step it undoes: `pause` runs, then the `resume` still in
    /// flight takes effect.
    R24,
    /// Permit or gauge given back at the response head: the cap counts handlers, not
    /// streams.
    R25,
    /// Closed between two statements of the set-up: the undo that is registered next runs
    /// on the successor.
    R26,
    /// Accepted, then closed: the last event, reported as delivered, is thrown away.
    R27,
    /// Goodbye after the end: nothing waits for it, or the server waits for it for ever.
    R28,
    /// Reset faster than undone: closed, unsettled connections pile up behind a cap that no
    /// longer counts them.
    R29,
    /// The server stood still: every healthy peer is taken for idle, and all come back at
    /// once.
    R30,
}

impl Race {
    /// Returns a short description of the race.
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
            Self::R26 => "closed between two statements of the set-up",
            Self::R27 => "accepted, then closed",
            Self::R28 => "goodbye after the end",
            Self::R29 => "reset faster than undone",
            Self::R30 => "the server stood still",
        }
    }
}

impl fmt::Display for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} {}", self.title())
    }
}
