//! What a connection left behind.

use crate::state::Closed;

/// What a connection left behind: how it closed, and how its undo went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled {
    /// How the connection closed.
    pub closed: Closed,
    /// How many undos there were, those included that panicked or were given up.
    pub undone: usize,
    /// The message of every panic, in the order in which they happened. Each one
    /// cost the others nothing.
    pub panics: Vec<String>,
    /// The name of every asynchronous undo that was not run to its end: it overran its
    /// [deadline](crate::Deadlines::undo) or that of a drain, or there was no
    /// runtime to run it, any more or at all.
    pub unfinished: Vec<String>,
}

/// The numbers of it, for the totals of the scope.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) undone: usize,
    pub(crate) panicked: usize,
    pub(crate) unfinished: usize,
}
