//! What is refused before it is sent, and what fits into a number of the server.

use std::time::Duration;

use hangup_cluster::engine::{EngineError, MAX_NAME};

use crate::engine::MAX_VALUE;

pub(crate) fn check_name(name: &str) -> Result<(), EngineError> {
    check(name.len(), MAX_NAME)
}

pub(crate) fn check_value(value: &[u8]) -> Result<(), EngineError> {
    check(value.len(), MAX_VALUE)
}

fn check(size: usize, limit: usize) -> Result<(), EngineError> {
    if size > limit {
        return Err(EngineError::TooLarge { size, limit });
    }
    Ok(())
}

/// Whole milliseconds, rounded up: at least one, since zero would delete, and at most a thousand
/// years, which the server can add to its clock.
pub(crate) fn milliseconds(time: Duration) -> String {
    const MOST: u128 = 1000 * 365 * 24 * 3600 * 1000;
    time.as_nanos()
        .div_ceil(1_000_000)
        .clamp(1, MOST)
        .to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::milliseconds;

    #[test]
    fn times_are_rounded_up_and_fit() {
        assert_eq!(milliseconds(Duration::ZERO), "1");
        assert_eq!(milliseconds(Duration::from_nanos(1)), "1");
        assert_eq!(milliseconds(Duration::from_micros(1001)), "2");
        assert_eq!(milliseconds(Duration::from_secs(15)), "15000");
        assert_eq!(milliseconds(Duration::MAX), "31536000000000");
    }
}
