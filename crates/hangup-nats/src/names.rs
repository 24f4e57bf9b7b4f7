//! Names that are taken.

use hangup_cluster::engine::{EngineError, MAX_NAME};

/// Whether this is the name of a record, an inbox or a topic: nothing in it has a meaning in a
/// subject but the dots between its parts.
pub(crate) fn check(name: &str) -> Result<(), EngineError> {
    if name.len() > MAX_NAME {
        return Err(EngineError::TooLarge {
            size: name.len(),
            limit: MAX_NAME,
        });
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_=-".contains(&byte);
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(is_plain);
    match name.split('.').all(is_part) {
        true => Ok(()),
        false => Err(EngineError::unknown("a name that no subject can have")),
    }
}

/// `id` as the value of a header, which has no line ends, and no spaces at its ends: all but
/// visible ASCII is written as `%` and two digits.
pub(crate) fn header(id: &str) -> String {
    let mut header = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte.is_ascii_graphic() && byte != b'%' {
            true => header.push(byte.into()),
            false => header.push_str(&format!("%{byte:02X}")),
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use hangup_cluster::engine::EngineError;

    use super::{check, header};

    #[test]
    fn every_id_is_a_header_of_its_own() {
        let table = [
            ("a-1.b:c", "a-1.b:c"),
            ("a\r\nb", "a%0D%0Ab"),
            (" a ", "%20a%20"),
            ("%20a%20", "%2520a%2520"),
            ("é", "%C3%A9"),
            ("", ""),
        ];
        for (id, value) in table {
            assert_eq!(header(id), value);
        }
    }

    #[test]
    fn nothing_that_has_a_meaning_in_a_subject_is_a_name() {
        for name in ["a", "a.b", "A=2E.b-c_d.0", &"x".repeat(512)] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in [
            "", ".", "a.", ".a", "a..b", "*", "a.*", ">", "a b", "a\r\nb", "é",
        ] {
            assert!(
                matches!(check(name), Err(EngineError::Unknown(_))),
                "{name:?}"
            );
        }
        let long = check(&"x".repeat(513));
        assert!(matches!(
            long,
            Err(EngineError::TooLarge {
                size: 513,
                limit: 512
            })
        ));
    }
}
