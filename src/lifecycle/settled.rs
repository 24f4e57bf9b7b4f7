//! What is left to say of a connection.

use super::{Lifecycle, Parts};
use crate::settled::{Settled, Tally};
use crate::state::Closed;
use crate::sync::lock;

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
