//! What is refused before it is sent, and what the server can add to its clock.

use std::time::Duration;

use hangup_cluster::engine::{EngineError, MAX_NAME};

use crate::engine::MAX_VALUE;

/// The name of a record.
pub(crate) fn check_name(name: &str) -> Result<(), EngineError> {
    check_size(name)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_=-.".contains(&byte);
    // An empty part is a dot at either end, or the second of two.
    if name.bytes().all(allowed) && name.split('.').all(|part| !part.is_empty()) {
        Ok(())
    } else {
        Err(EngineError::unknown(format!("not a name: {name:?}")))
    }
}

/// The name of an inbox or a topic.
pub(crate) fn check_plain_name(name: &str) -> Result<(), EngineError> {
    check_name(name)?;
    if name.contains('.') {
        return Err(EngineError::unknown(format!("a name with dots: {name:?}")));
    }
    Ok(())
}

/// What is as large as a name at most.
pub(crate) fn check_size(name: &str) -> Result<(), EngineError> {
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

    use hangup_cluster::engine::{EngineError, MAX_NAME};

    use super::{check_name, check_plain_name, milliseconds};

    #[test]
    fn names_are_those_of_the_contract() {
        let longest = "x".repeat(MAX_NAME);
        for name in ["a", "a.b.c", "=A_Z-09.z", &longest] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in [
            "", ".", ".a", "a.", "a..b", "a:b", "{a}", "a b", "a\0", "\u{e4}",
        ] {
            let refused = check_name(name);
            assert!(matches!(refused, Err(EngineError::Unknown(_))), "{name}");
        }
        assert!(check_plain_name("a-b").is_ok());
        assert!(check_plain_name("a.b").is_err());
        let too_long = "x".repeat(MAX_NAME + 1);
        let refused = check_plain_name(&too_long);
        assert!(matches!(
            refused,
            Err(EngineError::TooLarge { size: 513, .. })
        ));
    }

    #[test]
    fn times_are_rounded_up_and_fit() {
        assert_eq!(milliseconds(Duration::ZERO), "1");
        assert_eq!(milliseconds(Duration::from_nanos(1)), "1");
        assert_eq!(milliseconds(Duration::from_micros(1001)), "2");
        assert_eq!(milliseconds(Duration::from_secs(15)), "15000");
        assert_eq!(milliseconds(Duration::MAX), "31536000000000");
    }
}
