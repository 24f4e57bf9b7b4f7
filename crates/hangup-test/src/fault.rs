//! Faults, and the races that they indicate.

use std::fmt;

use crate::ending::Ending;
use crate::kind::Kind;
use crate::party::Party;
use crate::race::Race;

/// A violation that a run has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A thing is held, and no party is left to release it.
    #[non_exhaustive]
    Left {
        /// The kind of the thing.
        kind: Kind,
        /// The name of the thing.
        name: String,
        /// The party that acquired it.
        by: Party,
        /// Whether it was acquired after the connection had ended.
        after_end: bool,
        /// Whether it was acquired after it had been released for the ended connection.
        after_undo: bool,
        /// Whether the connection had read its signal before the signal fired, and after
        /// its first `await`.
        looked: bool,
    },
    /// A thing is released by name while none is held.
    #[non_exhaustive]
    ReleasedTwice {
        /// The name of the thing.
        name: String,
        /// The party that released it.
        by: Party,
    },
    /// A thing is acquired for an ended connection for which it had been released.
    #[non_exhaustive]
    AcquiredAfterUndo {
        /// The name of the thing.
        name: String,
        /// The ended connection.
        by: Party,
    },
    /// A thing is released for a connection while its successor holds it.
    #[non_exhaustive]
    Taken {
        /// The kind of the thing.
        kind: Kind,
        /// The name of the thing.
        name: String,
        /// The connection that released it.
        by: Party,
        /// The connection that held it.
        from: Party,
    },
    /// A connection is open and idle, and lacks a thing that an undisturbed connection
    /// holds.
    #[non_exhaustive]
    Missing {
        /// The kind of the thing.
        kind: Kind,
        /// The name of the thing.
        name: String,
        /// The connection that lacks it.
        by: Party,
    },
    /// A connection is visible while it is not live: before it is, or after it was.
    #[non_exhaustive]
    VisibleNotLive {
        /// The index in which it is visible.
        name: String,
        /// The connection.
        by: Party,
    },
    /// Between two polls, a connection is visible in one index and not in another.
    #[non_exhaustive]
    HalfVisible {
        /// The index in which it is visible.
        shown: String,
        /// The index in which it is not visible.
        hidden: String,
    },
    /// More things are held than the cap allows.
    #[non_exhaustive]
    OverCap {
        /// The name of the thing.
        name: String,
        /// The number that is held.
        held: usize,
        /// The cap.
        cap: usize,
    },
    /// The response is being streamed without its permit.
    #[non_exhaustive]
    WithoutPermit {
        /// The name of the permit.
        name: String,
    },
    /// An item arrived twice, or after a newer one.
    #[non_exhaustive]
    Repeated {
        /// The number of the item.
        number: u64,
        /// The number of the item before it.
        last: u64,
    },
    /// An item arrived while an earlier one is missing.
    #[non_exhaustive]
    Skipped {
        /// The number of the item.
        number: u64,
        /// The number of the item before it.
        last: u64,
    },
    /// All tasks are idle, and items are missing.
    #[non_exhaustive]
    Undelivered {
        /// The number of the last item that arrived.
        last: u64,
        /// The number of the last item that was published.
        head: u64,
    },
    /// A second connection arrived, and both connections have ended.
    BothEnded,
    /// A second connection arrived, both stay open, and the server keeps
    /// [one per key](crate::AbortEverywhere::one_per_key).
    BothOpen,
    /// A connection was open, nothing ended it, and it has ended.
    #[non_exhaustive]
    CutOff {
        /// The connection.
        by: Party,
    },
    /// The connection was ended, and its handler is still pending.
    Lingers,
    /// The server was told to shut down, and its shutdown never completes.
    NeverExits,
    /// The server was told to shut down during the set-up of the connection, and the
    /// connection started to respond.
    LiveAfterShutdown,
    /// The handler, an undo or a task panicked without being told to.
    #[non_exhaustive]
    Panicked {
        /// The message of the panic.
        message: String,
    },
}

/// What was known about the run when the fault was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// `None` if the run was undisturbed.
    pub(crate) ending: Option<&'a Ending>,
    /// Whether the case interfered before the first poll of the handler.
    pub(crate) at_entry: bool,
    /// Whether the case interfered between two statements.
    pub(crate) at_statement: bool,
    /// Whether the response was being streamed.
    pub(crate) responding: bool,
    /// Whether pending tasks of the connection were dropped at the end of the process.
    pub(crate) tasks_lost: bool,
    /// Whether user code panicked without being told to.
    pub(crate) panicked: bool,
}

impl Fault {
    /// The race that shows as this fault.
    pub(crate) fn race(&self, when: Context<'_>) -> Option<Race> {
        match self {
            // The same ending is clean while the client reads.
            Self::NeverExits | Self::Left { .. } | Self::Lingers | Self::VisibleNotLive { .. }
                if when.has_stalled() =>
            {
                Some(Race::R16)
            }
            Self::Left {
                after_undo: true, ..
            } => Some(Race::R6),
            Self::Left {
                kind,
                by,
                after_end,
                looked,
                ..
            } => when.of_leftover(*kind, *by, *after_end, *looked),
            Self::ReleasedTwice { .. } => Some(Race::R7),
            Self::AcquiredAfterUndo { .. } if when.at_statement => Some(Race::R26),
            Self::AcquiredAfterUndo { .. } => Some(Race::R6),
            Self::Taken { .. } | Self::Missing { .. }
                if when.at_statement && when.has_newcomer() =>
            {
                Some(Race::R26)
            }
            Self::Taken { kind, .. } | Self::Missing { kind, .. } => match kind {
                Kind::Entry => Some(Race::R8),
                Kind::Permit => Some(Race::R25),
                _ if when.has_newcomer() => Some(Race::R9),
                _ => None,
            },
            Self::VisibleNotLive { .. } => match when.ending {
                Some(Ending::Dropped | Ending::Panic) => Some(Race::R13),
                _ => None,
            },
            Self::HalfVisible { .. } => Some(Race::R21),
            Self::OverCap { .. } => Some(Race::R20),
            Self::WithoutPermit { .. } => Some(Race::R25),
            Self::Repeated { .. } | Self::Skipped { .. } | Self::Undelivered { .. } => {
                Some(Race::R11)
            }
            Self::BothEnded if when.responding => Some(Race::R8),
            Self::BothEnded => Some(Race::R23),
            Self::Lingers | Self::BothOpen => Some(Race::R22),
            Self::CutOff { .. } => when.has_newcomer().then_some(Race::R8),
            Self::NeverExits => Some(Race::R14),
            Self::LiveAfterShutdown => Some(Race::R15),
            // An undisturbed run that panics is a bug of the handler and no race.
            Self::Panicked { .. } => when.ending.map(|_| Race::R12),
        }
    }
}

impl Context<'_> {
    fn of_leftover(self, kind: Kind, by: Party, after_end: bool, looked: bool) -> Option<Race> {
        let ending = self.ending;
        Some(match kind {
            Kind::Listener => Race::R19,
            // A leftover task usually drives a timer.
            Kind::Timer | Kind::Task if after_end && self.goes_on() => match self.at_entry {
                true => Race::R4,
                false => Race::R1,
            },
            Kind::Timer | Kind::Task => Race::R3,
            _ if after_end && looked => Race::R5,
            _ if after_end => Race::R1,
            _ if self.panicked => Race::R12,
            _ if self.tasks_lost => Race::R13,
            _ => match ending? {
                Ending::Panic => Race::R12,
                Ending::Shutdown => Race::R14,
                // The newcomer was dropped when all tasks were idle.
                Ending::Newcomer { .. } | Ending::Successor(_) if by == Party::Newcomer => Race::R2,
                Ending::Visitor(_) if by == Party::Newcomer => Race::R13,
                Ending::Dropped | Ending::Newcomer { .. } | Ending::Successor(_)
                    if !self.responding =>
                {
                    Race::R13
                }
                _ => Race::R2,
            },
        })
    }

    /// Returns `true` if the handler runs on after its end.
    fn goes_on(self) -> bool {
        matches!(self.ending, Some(Ending::Signal | Ending::Closed)) || self.at_statement
    }

    /// Returns `true` if the client had stopped reading.
    fn has_stalled(self) -> bool {
        matches!(
            self.ending,
            Some(Ending::Stalled | Ending::StalledAtShutdown)
        )
    }

    fn has_newcomer(self) -> bool {
        matches!(
            self.ending,
            Some(Ending::Newcomer { .. } | Ending::Visitor(_) | Ending::Successor(_))
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left {
                kind,
                name,
                by,
                after_end,
                ..
            } => {
                match kind {
                    Kind::Timer => write!(f, "timer `{name}` is left running")?,
                    Kind::Task => write!(f, "a task {name} is left running")?,
                    Kind::Listener => write!(f, "a listener is left on `{name}`")?,
                    Kind::Entry => write!(f, "the entry in `{name}` is left")?,
                    Kind::Switch => write!(f, "`{name}` is left on")?,
                    Kind::Resource | Kind::Permit => write!(f, "`{name}` is left")?,
                }
                match (by, after_end) {
                    (Party::Server, false) => Ok(()),
                    (by, false) => write!(f, " by {by}"),
                    (by, true) => write!(f, ", acquired for {by} after its end"),
                }
            }
            Self::ReleasedTwice { name, by } => {
                write!(f, "`{name}` is released for {by} while none is held")
            }
            Self::AcquiredAfterUndo { name, by } => {
                write!(
                    f,
                    "`{name}` is acquired after its undo for {by}, which has ended"
                )
            }
            Self::Taken { name, by, from, .. } => {
                write!(f, "the undo of {by} releases `{name}`, which {from} holds")
            }
            Self::Missing { name, by, .. } => {
                write!(f, "{by} is open and has lost `{name}`")
            }
            Self::VisibleNotLive { name, by } => {
                write!(f, "{by} is visible in `{name}` and is not live")
            }
            Self::HalfVisible { shown, hidden } => {
                write!(
                    f,
                    "the connection is visible in `{shown}` and not in `{hidden}`"
                )
            }
            Self::OverCap { name, held, cap } => {
                write!(f, "{held} of `{name}` are held, and the cap is {cap}")
            }
            Self::WithoutPermit { name } => {
                write!(f, "the response is being streamed and `{name}` is not held")
            }
            Self::Repeated { number, last } => write!(f, "item {number} arrives after item {last}"),
            Self::Skipped { number, last } => {
                write!(f, "item {number} follows item {last} directly")
            }
            Self::Undelivered { last, head } => {
                write!(
                    f,
                    "item {last} was the last to arrive, and item {head} was published"
                )
            }
            Self::CutOff { by } => write!(f, "{by} was open, nothing ended it, and it has ended"),
            Self::BothOpen => f.write_str("a second connection arrived, and both stay open"),
            Self::BothEnded => f.write_str("a second connection arrived, and both have ended"),
            Self::Lingers => {
                f.write_str("the connection was ended, and its handler is still pending")
            }
            Self::NeverExits => f.write_str("the shutdown of the server never completes"),
            Self::LiveAfterShutdown => {
                f.write_str("the connection goes live after the server was told to shut down")
            }
            Self::Panicked { message } => write!(f, "user code panicked: {message}"),
        }
    }
}
