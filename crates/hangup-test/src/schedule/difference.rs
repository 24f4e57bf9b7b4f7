//! A difference between a manager and the reference.

use super::op::{Outcome, Place};
use hangup::State;

/// The value of the manager, and that of the reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Difference {
    #[error("the outcome is {0:?}, not {1:?}")]
    Outcome(Outcome, Outcome),
    #[error("{0} shows connections {1:?}, not {2:?}")]
    Visible(Place, Vec<usize>, Vec<usize>),
    #[error("scope {0} counts {1}, not {2}")]
    Count(usize, i64, i64),
    #[error("connection {0} has undone steps {1:?}, not {2:?}")]
    Undone(usize, Vec<usize>, Vec<usize>),
    #[error("connection {0} is {1:?}, not {2:?}")]
    State(usize, State, State),
}
