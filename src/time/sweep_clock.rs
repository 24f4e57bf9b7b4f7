//! The clocks that sweeps date events by.
//!
//! There are two. *Real* time is that of the caller. *Running* time is the time during
//! which the server could notice something: if the next sweep comes more than two periods
//! after the one before, the server stood still, and running time advances by one period
//! only. No peer could touch its connection in the rest of that time.

use std::time::{Duration, Instant};

/// The time of the first sweep, or of the first instant that was dated. In the middle, so
/// that an instant before it has a date too.
const FIRST: u64 = 1 << 62;

/// A hundred and forty-six years.
const LONGEST: u64 = 1 << 61;

pub(crate) struct SweepClock {
    /// The time between two sweeps, if it is known: without it, running time is real time.
    period: Option<Duration>,
    origin: Option<Instant>,
    latest: SweepTime,
}

/// When a sweep runs. Both times are in nanoseconds, and never go back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SweepTime {
    /// Counts the sweeps, from 1 on.
    pub(super) number: u64,
    pub(super) real: u64,
    pub(super) running: u64,
}

impl SweepClock {
    pub(crate) fn new(period: Option<Duration>) -> Self {
        Self {
            period,
            origin: None,
            latest: SweepTime {
                number: 0,
                real: 0,
                running: FIRST,
            },
        }
    }

    /// The time of the sweep that begins at `now`.
    pub(crate) fn sweep(&mut self, now: Instant) -> SweepTime {
        let real = self.date(now).max(self.latest.real);
        // Before the first sweep no event has a date.
        let elapsed = match self.latest.number {
            0 => 0,
            _ => real - self.latest.real,
        };
        let noticed = match self.period.map(nanos) {
            Some(period) if elapsed > period.saturating_mul(2) => period,
            _ => elapsed,
        };
        self.latest = SweepTime {
            number: self.latest.number + 1,
            real,
            running: self.latest.running.saturating_add(noticed),
        };
        self.latest
    }

    pub(crate) fn latest(&self) -> SweepTime {
        self.latest
    }

    /// `instant` in real time.
    pub(crate) fn date(&mut self, instant: Instant) -> u64 {
        let origin = *self.origin.get_or_insert(instant);
        match instant.checked_duration_since(origin) {
            Some(after) => FIRST + nanos(after),
            None => FIRST - nanos(origin - instant),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).map_or(LONGEST, |nanos| nanos.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, SweepClock};

    const PERIOD: Duration = Duration::from_secs(1);

    /// The advances of both times from the first sweep on.
    fn advances(period: Option<Duration>, gaps: &[Duration]) -> Vec<(u64, u64)> {
        let (mut now, mut clock) = (Instant::now(), SweepClock::new(period));
        let mut before = clock.sweep(now);
        let mut advances = Vec::new();
        for gap in gaps {
            now += *gap;
            let time = clock.sweep(now);
            assert_eq!(time.number, before.number + 1);
            advances.push((time.real - before.real, time.running - before.running));
            before = time;
        }
        advances
    }

    #[test]
    fn a_gap_of_more_than_two_periods_counts_as_one() {
        let second = 1_000_000_000;
        let gaps = [PERIOD, PERIOD * 2, PERIOD * 3, PERIOD * 1000, PERIOD];
        assert_eq!(
            advances(Some(PERIOD), &gaps),
            [
                (second, second),
                (2 * second, 2 * second),
                (3 * second, second),
                (1000 * second, second),
                (second, second),
            ]
        );
        let unclamped = advances(None, &gaps);
        assert!(unclamped.iter().all(|(real, running)| real == running));
    }

    #[test]
    fn an_instant_has_a_date_before_the_first_sweep_and_before_the_origin() {
        let (now, mut clock) = (Instant::now(), SweepClock::new(Some(PERIOD)));
        let later = clock.date(now + PERIOD);
        let earlier = clock.date(now - PERIOD);
        assert_eq!(later - earlier, 2_000_000_000);
        assert!((earlier + 1..later).contains(&clock.sweep(now).real));
        assert!(clock.date(now + Duration::from_secs(1 << 40)) > later);
    }
}
