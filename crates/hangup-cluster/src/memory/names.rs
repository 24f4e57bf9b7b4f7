//! What a name is, and how much a value may hold.

use crate::engine::{EngineError, MAX_NAME};

/// Of what the name is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Record,
    /// Without dots.
    InboxOrTopic,
}

pub(super) fn check_name(name: &str, of: Of) -> Result<(), EngineError> {
    check_size(name.len(), MAX_NAME)?;
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'=' | b'-')
            || (byte == b'.' && of == Of::Record)
    };
    // Two dots in a row, and a dot at either end, leave an empty part.
    if name.bytes().all(allowed) && name.split('.').all(|part| !part.is_empty()) {
        Ok(())
    } else {
        Err(EngineError::unknown(format!("not a name: {name:?}")))
    }
}

pub(super) fn check_size(size: usize, limit: usize) -> Result<(), EngineError> {
    if size <= limit {
        Ok(())
    } else {
        Err(EngineError::TooLarge { size, limit })
    }
}

#[cfg(test)]
mod tests {
    use super::{Of, check_name};
    use crate::engine::{EngineError, MAX_NAME};

    #[test]
    fn a_name_is_what_the_contract_says() {
        let largest = "n".repeat(MAX_NAME);
        for name in ["a", "a.b", "s.A_Z=0-9.x", &largest] {
            assert!(check_name(name, Of::Record).is_ok(), "{name}");
        }
        for name in ["", ".", ".a", "a.", "a..b", "a b", "a/b", "ä", "a*", "a\0"] {
            assert!(
                matches!(check_name(name, Of::Record), Err(EngineError::Unknown(_))),
                "{name}"
            );
        }
        assert!(check_name("a.b", Of::InboxOrTopic).is_err());
        assert!(matches!(
            check_name(&"n".repeat(MAX_NAME + 1), Of::Record),
            Err(EngineError::TooLarge {
                size: 513,
                limit: 512
            })
        ));
    }
}
