//! The kinds of things that a ledger counts.

use std::collections::BTreeMap;

/// What sort of thing is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Anything that is acquired and released, and counted.
    Resource,
    /// What a connection has to hold from its set-up to its end.
    Permit,
    /// A place where others find the connection.
    Entry,
    /// A state somewhere else, on or off: a worker that is resumed at a router.
    Switch,
    /// What makes something happen again and again.
    Timer,
    /// What waits on a signal that outlives the connection.
    Listener,
    /// A task that was spawned for the connection.
    Task,
}

/// How many of each thing are held, and of which sort it is.
pub(crate) type Levels = BTreeMap<String, (Kind, usize)>;
