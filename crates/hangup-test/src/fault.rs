//! What can be wrong, and which race it is.

use std::fmt;

use crate::ending::Ending;
use crate::kind::Kind;
use crate::party::Party;
use crate::race::Race;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Held, and nobody is left to release it.
    #[non_exhaustive]
    Left {
        /// What sort of thing it is.
        kind: Kind,
        /// What it is.
        name: String,
        /// For whom it was acquired.
        by: Party,
        /// It was acquired when the connection had ended already.
        after_end: bool,
        /// And it had been released for the connection after its end.
        after_undo: bool,
        /// The connection had looked at its signal, which had not fired then.
        looked: bool,
    },
    /// Released by name when none was held.
    #[non_exhaustive]
    ReleasedTwice {
        /// What was released.
        name: String,
        /// By whom.
        by: Party,
    },
    /// Acquired for a connection that had ended, and for which it had been released.
    #[non_exhaustive]
    AcquiredAfterUndo {
        /// What was acquired.
        name: String,
        /// For whom.
        by: Party,
    },
    /// Released for a connection while its successor held it.
    #[non_exhaustive]
    Taken {
        /// What sort of thing it is.
        kind: Kind,
        /// What it is.
        name: String,
        /// For whom it was released.
        by: Party,
        /// Who held it.
        from: Party,
    },
    /// Open and at rest, but without something that a connection has when nothing
    /// interferes.
    #[non_exhaustive]
    Missing {
        /// What sort of thing it is.
        kind: Kind,
        /// What it is.
        name: String,
        /// Who is without it.
        by: Party,
    },
    /// To be found while the connection is not live: not yet, or not any more.
    #[non_exhaustive]
    VisibleNotLive {
        /// Where it is found.
        name: String,
        /// Who.
        by: Party,
    },
    /// To be found in one index and not in another, between two polls.
    #[non_exhaustive]
    HalfVisible {
        /// Where it is found.
        shown: String,
        /// Where it is not.
        hidden: String,
    },
    /// More holders than are allowed.
    #[non_exhaustive]
    OverCap {
        /// Of what.
        name: String,
        /// How many there are.
        held: usize,
        /// How many there may be.
        cap: usize,
    },
    /// The response is under way without its permit.
    #[non_exhaustive]
    WithoutPermit {
        /// The permit.
        name: String,
    },
    /// An item came that had come already, or that is older than one that had.
    #[non_exhaustive]
    Repeated {
        /// The item.
        number: u64,
        /// The one before it.
        last: u64,
    },
    /// An item came, and not all before it had.
    #[non_exhaustive]
    Skipped {
        /// The item.
        number: u64,
        /// The one before it.
        last: u64,
    },
    /// Everything is at rest, and not all items have come.
    #[non_exhaustive]
    Undelivered {
        /// The last that came.
        last: u64,
        /// The last that there is.
        head: u64,
    },
    /// A second connection came, and now both have ended.
    NobodyLeft,
    /// The connection was ended, and its handler waits on.
    Lingers,
    /// The server was told to shut down, and waits for ever.
    NeverExits,
    /// The server was told to shut down while the connection was being set up, and that
    /// responds now.
    LiveAfterShutdown,
    /// Something panicked by itself: the handler, an undo, a task.
    #[non_exhaustive]
    Panicked {
        /// With what.
        message: String,
    },
}

/// When a fault was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// `None` if nothing interfered.
    pub(crate) ending: Option<&'a Ending>,
    /// The response was under way.
    pub(crate) responding: bool,
    /// Tasks were given up in which something was to be done for it.
    pub(crate) tasks_lost: bool,
    /// Something panicked by itself.
    pub(crate) panicked: bool,
}

impl Fault {
    /// The race that shows itself in this way.
    pub(crate) fn race(&self, when: Context<'_>) -> Option<Race> {
        match self {
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
            Self::AcquiredAfterUndo { .. } => Some(Race::R6),
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
            Self::NobodyLeft if when.responding => Some(Race::R8),
            Self::NobodyLeft => Some(Race::R23),
            Self::Lingers => Some(Race::R22),
            Self::NeverExits => Some(Race::R14),
            Self::LiveAfterShutdown => Some(Race::R15),
            // By itself, if nothing happened to it.
            Self::Panicked { .. } => when.ending.map(|_| Race::R12),
        }
    }
}

impl Context<'_> {
    fn of_leftover(self, kind: Kind, by: Party, after_end: bool, looked: bool) -> Option<Race> {
        let ending = self.ending;
        Some(match kind {
            Kind::Listener => Race::R19,
            // A task that is left is most often what drives a timer.
            Kind::Timer | Kind::Task if after_end => Race::R4,
            Kind::Timer | Kind::Task => Race::R3,
            _ if after_end && looked => Race::R5,
            _ if after_end => Race::R1,
            _ if self.panicked => Race::R12,
            _ if self.tasks_lost => Race::R13,
            _ => match ending? {
                Ending::Panic => Race::R12,
                Ending::Shutdown => Race::R14,
                // It was dropped when all was at rest.
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
                    Kind::Timer => write!(f, "timer `{name}` runs on")?,
                    Kind::Task => write!(f, "a task {name} runs on")?,
                    Kind::Listener => write!(f, "a listener is left on `{name}`")?,
                    Kind::Entry => write!(f, "the entry in `{name}` is left")?,
                    Kind::Switch => write!(f, "`{name}` is left on")?,
                    Kind::Resource | Kind::Permit => write!(f, "`{name}` is left")?,
                }
                match (by, after_end) {
                    (Party::Server, false) => Ok(()),
                    (by, false) => write!(f, ", of {by}"),
                    (by, true) => write!(f, ", acquired for {by} after its end"),
                }
            }
            Self::ReleasedTwice { name, by } => {
                write!(f, "`{name}` is released for {by} when none is held")
            }
            Self::AcquiredAfterUndo { name, by } => {
                write!(
                    f,
                    "`{name}` is acquired for {by}, which has ended, after its undo"
                )
            }
            Self::Taken { name, by, from, .. } => {
                write!(f, "the undo of {by} takes `{name}` away from {from}")
            }
            Self::Missing { name, by, .. } => {
                write!(f, "{by} is open and has lost `{name}`")
            }
            Self::VisibleNotLive { name, by } => {
                write!(f, "{by} is to be found in `{name}` and is not live")
            }
            Self::HalfVisible { shown, hidden } => {
                write!(f, "to be found in `{shown}` and not in `{hidden}`")
            }
            Self::OverCap { name, held, cap } => {
                write!(f, "{held} of `{name}` are held, and {cap} may be")
            }
            Self::WithoutPermit { name } => {
                write!(f, "the response is under way and `{name}` is given back")
            }
            Self::Repeated { number, last } => write!(f, "item {number} comes after item {last}"),
            Self::Skipped { number, last } => {
                write!(f, "item {number} comes straight after item {last}")
            }
            Self::Undelivered { last, head } => {
                write!(
                    f,
                    "item {last} was the last to come, and there is item {head}"
                )
            }
            Self::NobodyLeft => f.write_str("a newcomer came, and now both have ended"),
            Self::Lingers => f.write_str("the connection was ended and its handler waits on"),
            Self::NeverExits => f.write_str("the server was told to shut down and waits for ever"),
            Self::LiveAfterShutdown => {
                f.write_str("it goes live when the server has been told to shut down")
            }
            Self::Panicked { message } => write!(f, "a panic: {message}"),
        }
    }
}
