//! How long to wait before another attempt.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(2);

/// Delays that double, up to a bound. Each is shorter by a random part of its half, so that those
/// who failed together do not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    pub(super) fn next(&mut self) -> Duration {
        let delay = self.next;
        self.next = LONGEST.min(delay * 2);
        // The keys are random, and differ with each call.
        let random = RandomState::new().hash_one(()) % 1024;
        delay - delay * u32::try_from(random).unwrap_or_default() / 2048
    }

    /// An attempt has succeeded.
    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, FIRST, LONGEST};

    #[test]
    fn delays_double_up_to_a_bound() {
        let mut backoff = Backoff::default();
        for attempt in 0..100 {
            let whole = LONGEST.min(FIRST * (1 << attempt.min(20)));
            let delay = backoff.next();
            assert!(delay <= whole && delay >= whole / 2, "{attempt}: {delay:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
