//! What a connection left behind.

use crate::state::Closed;

/// What a connection left behind: how it closed, and how its undos went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled {
    /// How the connection closed.
    pub closed: Closed,
    /// How many undos there were, including those that panicked or were abandoned.
    pub undos_run: usize,
    /// The message of every panic, in the order in which they happened. A panic stops no
    /// other undo.
    pub panics: Vec<String>,
    /// The name of everything that did not run to its end: of an asynchronous undo, or of a
    /// [goodbye](crate::Closing::farewell), as `farewell`, which overran its
    /// [deadline](crate::Deadlines::undo) or that of a drain, or had no runtime to run on; of
    /// [work](crate::Registering::finish) whose runtime ended.
    pub abandoned: Vec<String>,
}

/// The numbers of a [`Settled`], for the totals of the scope.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct UndoCounts {
    pub(crate) run: usize,
    pub(crate) panics: usize,
    pub(crate) abandoned: usize,
}
