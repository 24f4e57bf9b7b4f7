//! The parameters of a request.

/// The value of `name` in `query`.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(key, _)| *key == name)
        .map(|(_, value)| decoded(value))
}

/// What `%XX` and `+` stand for.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let escaped = match (byte, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        bytes.push(match escaped {
            Some((high, low)) => {
                rest = &after[2..];
                high << 4 | low
            }
            None if byte == b'+' => b' ',
            None => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    let digit = char::from(digit).to_digit(16)?;
    digit.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::parameter;

    #[test]
    fn a_parameter_is_found_and_decoded() {
        let query = "key=w%2F1&epoch=7&owner=a+b%&empty=";
        let of = |name| parameter(query, name);
        assert_eq!(of("key").as_deref(), Some("w/1"));
        assert_eq!(of("epoch").as_deref(), Some("7"));
        assert_eq!(of("owner").as_deref(), Some("a b%"));
        assert_eq!(of("empty").as_deref(), Some(""));
        assert_eq!(of("ey"), None);
    }
}
