//! Names of users, as names of an engine.

use std::fmt;
use std::sync::Arc;

use crate::engine::MAX_NAME;
use crate::fan_out::TopicName;

/// What is claimed, looked up or published under: a kind and a name, of any bytes.
///
/// Keys are equal if both are, and no key reaches the records of another one, whatever is in it:
/// a `.`, a `*`, a line break, an empty name.
///
/// # Examples
///
/// ```
/// use hangup_cluster::Key;
///
/// let key = Key::new("worker", "ada.*")?;
/// assert_eq!(key.to_string(), "worker/ada=2E=2A");
/// assert!(Key::new("worker", "x".repeat(1000)).is_err());
/// # Ok::<(), hangup_cluster::KeyTooLong>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// Stands between the kind and the name. It is no escape, since those have hexadecimal digits.
const SEPARATOR: &str = "=_";
/// What the kinds of records are told apart by, with the dot.
const PREFIX: usize = 2;

impl Key {
    /// The key with this name among those of `kind`.
    ///
    /// # Errors
    ///
    /// [`KeyTooLong`] if both have more than about 500 bytes, of which those that are not letters,
    /// digits, `-` or `_` count three times.
    pub fn new(kind: impl AsRef<[u8]>, name: impl AsRef<[u8]>) -> Result<Self, KeyTooLong> {
        let mut encoded = String::new();
        encode(kind.as_ref(), &mut encoded);
        encoded.push_str(SEPARATOR);
        encode(name.as_ref(), &mut encoded);
        if encoded.len() + PREFIX > MAX_NAME {
            return Err(KeyTooLong(encoded.len()));
        }
        Ok(Self(encoded.into()))
    }

    /// The topic of the events that are published under this key.
    #[must_use]
    pub fn topic(&self) -> TopicName {
        TopicName::new(&self.0).expect("a key is encoded for that")
    }

    pub(crate) fn encoded(&self) -> &str {
        &self.0
    }

    /// The name of the record of its owner.
    pub(crate) fn claim(&self) -> String {
        format!("k.{}", self.0)
    }

    /// The name of the record of those who are present under it.
    pub(crate) fn presence(&self) -> String {
        format!("p.{}", self.0)
    }

    /// The key that was [encoded](Self::encoded) as this.
    pub(crate) fn from_encoded(encoded: &str) -> Self {
        Self(encoded.into())
    }
}

fn encode(bytes: &[u8], into: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            into.push(char::from(*byte));
        } else {
            into.push('=');
            into.push(char::from(DIGITS[usize::from(byte >> 4)]));
            into.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

impl AsRef<Self> for Key {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// The kind, a slash and the name, each with what is no letter, digit, `-` or `_` as `=` and two
/// hexadecimal digits.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = self.0.split_once(SEPARATOR).unwrap_or((&self.0, ""));
        write!(f, "{kind}/{name}")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// A [`Key`] would be longer than the name of a record may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key of {0} bytes is too long for a record")]
pub struct KeyTooLong(usize);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Key;
    use crate::engine::MAX_NAME;

    #[test]
    fn no_two_keys_have_one_record_and_each_is_a_name_that_an_engine_takes() {
        let parts: [&[u8]; 14] = [
            b"", b"a", b"A", b"_", b"-", b"=", b"=_", b".", b"a.b", b"*", b">", b" ", b"\n",
            b"\xff",
        ];
        let mut seen = HashSet::new();
        for kind in parts {
            for name in parts {
                let key = Key::new(kind, name).unwrap();
                let claim = key.claim();
                assert!(claim.len() <= MAX_NAME);
                assert_eq!(key.topic().as_str(), key.encoded());
                let name = claim.strip_prefix("k.").unwrap();
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"=_-".contains(&byte);
                assert!(!name.is_empty() && name.bytes().all(plain), "{claim}");
                assert!(seen.insert(claim));
            }
        }
    }

    #[test]
    fn the_longest_key_fits_and_one_more_byte_is_refused() {
        let longest = MAX_NAME - 4;
        assert_eq!(
            Key::new("", "x".repeat(longest)).unwrap().claim().len(),
            MAX_NAME
        );
        assert!(Key::new("", "x".repeat(longest + 1)).is_err());
        assert!(Key::new("é".repeat(1 << 20), "").is_err());
    }
}
