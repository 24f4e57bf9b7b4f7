//! What is left to say of a connection.

use super::{Lifecycle, Parts};
use crate::state::Closed;
use crate::sync::lock;

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

impl Lifecycle {
    /// What there is to say once it has settled.
    pub(crate) fn settlement(&self) -> Option<Settled> {
        let snapshot = self.word.load();
        let closed = snapshot.closed().filter(|_| snapshot.settled())?;
        Some(self.report(closed))
    }

    pub(super) fn report(&self, closed: Closed) -> Settled {
        let parts = lock(&self.parts);
        let slow = parts.slow.as_ref();
        Settled {
            closed,
            undone: parts.undone as usize,
            panics: slow.map_or_else(Vec::new, |slow| slow.panics.clone()),
            unfinished: slow.map_or_else(Vec::new, |slow| slow.unfinished.clone()),
        }
    }
}

impl Parts {
    pub(super) fn tally(&self) -> Tally {
        let slow = self.slow.as_ref();
        Tally {
            undone: self.undone as usize,
            panicked: slow.map_or(0, |slow| slow.panics.len()),
            unfinished: slow.map_or(0, |slow| slow.unfinished.len()),
        }
    }
}
