//! Causes of failures that lie in the exploration and not in the handler.

use std::fmt;
use std::time::Duration;

/// A cause of failures that may lie in the exploration and not in the handler.
///
/// Its `Display` says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// A timer was still armed when the run no longer waited.
    #[non_exhaustive]
    Patience {
        /// How long the run waited.
        patience: Duration,
        /// The patience that would do: the time for which the timer was armed, in whole
        /// seconds.
        enough: Duration,
        /// The number of failing cases that pass with it.
        passes: usize,
    },
    /// A task on the runtime does not end, and its timer fires again and again.
    #[non_exhaustive]
    Clock {
        /// How often timers fire in a day.
        fires: usize,
    },
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Patience {
                patience,
                enough,
                passes,
            } => write!(
                f,
                "the patience of {patience:?} is too short: a timer is armed for {enough:?}, and \
                 {passes} of the failing cases pass with `on_tokio_with_patience` of that"
            ),
            Self::Clock { fires } => write!(
                f,
                "a task on the runtime is left, and timers fire {fires} times in a day: it is a \
                 leak, or it compares `std::time::Instant`, which stands still here; read \
                 `tokio::time::Instant` in the code under test"
            ),
        }
    }
}
