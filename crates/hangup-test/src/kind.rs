//! The kinds of things that a ledger counts.

use std::collections::BTreeMap;

/// The kind of a thing that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A resource that is acquired, released and counted.
    Resource,
    /// A permit that a connection holds from its set-up to its end.
    Permit,
    /// An index entry under which other parts of the server find the connection.
    Entry,
    /// A remote state that is on or off, for instance a worker that is resumed at a
    /// router.
    Switch,
    /// A timer that fires repeatedly.
    Timer,
    /// A listener on a signal that outlives the connection.
    Listener,
    /// A task that was spawned for the connection.
    Task,
}

/// How many of each thing are held, and its kind.
pub(crate) type Levels = BTreeMap<String, (Kind, usize)>;
