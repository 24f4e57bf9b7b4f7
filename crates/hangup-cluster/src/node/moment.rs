//! When something was, by both clocks of a machine.

use std::time::{Duration, Instant, SystemTime};

use hangup::runtime::Runtime;

/// An instant by both clocks of this machine: the monotonic one may stand still while the machine is
/// suspended, and the wall clock may be set back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) instant: Instant,
    wall: SystemTime,
}

impl Moment {
    pub(super) fn now(runtime: &dyn Runtime) -> Self {
        Self {
            instant: runtime.now(),
            wall: SystemTime::now(),
        }
    }

    /// How much time has passed until `later`, by the clock that says more.
    pub(super) fn until(self, later: Self) -> Duration {
        let by_wall = later.wall.duration_since(self.wall);
        let monotonic = later.instant.saturating_duration_since(self.instant);
        // `Err` if it was set back.
        monotonic.max(by_wall.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use super::Moment;

    #[test]
    fn the_clock_that_says_more_counts() {
        let hour = Duration::from_secs(3600);
        let begun = Moment {
            instant: Instant::now(),
            wall: SystemTime::now(),
        };
        let [awake, suspended, set_back] = [
            (begun.instant + 2 * hour, begun.wall + hour),
            (begun.instant, begun.wall + hour),
            (begun.instant + hour, begun.wall - hour),
        ]
        .map(|(instant, wall)| begun.until(Moment { instant, wall }));
        assert_eq!((awake, suspended, set_back), (2 * hour, hour, hour));
    }
}
