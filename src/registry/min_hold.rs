//! How long a holder of a key is safe from newcomers.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::lifecycle::Lifecycle;
use crate::runtime::NoRuntime;

/// The shortest time from the reservation of a holder to its replacement.
pub(super) struct MinHold {
    hold: Duration,
    /// When the first slot was inserted. All times are relative to it.
    epoch: OnceLock<Instant>,
}

impl MinHold {
    pub(super) fn new(hold: Duration) -> Self {
        Self {
            hold,
            epoch: OnceLock::new(),
        }
    }

    pub(super) fn hold(&self) -> Duration {
        self.hold
    }

    /// The time, by the clock of the runtime of this connection.
    pub(super) fn now(&self, lifecycle: &Lifecycle) -> Result<Duration, NoRuntime> {
        let now = lifecycle.runtime().ok_or(NoRuntime)?.now();
        Ok(now.saturating_duration_since(*self.epoch.get_or_init(|| now)))
    }

    /// How long a holder with a reservation `since` then is safe.
    pub(super) fn left(&self, since: Duration, now: Duration) -> Option<Duration> {
        let left = since.saturating_add(self.hold).saturating_sub(now);
        (!left.is_zero()).then_some(left)
    }
}
