//! A place in the log of a topic.

use std::fmt;
use std::str::FromStr;

/// A place in the log of a [`Topic`](super::Topic): that of the item which it was returned
/// for, or the one behind all that were published before it.
///
/// It is printed as an SSE `id` and parsed from a `Last-Event-ID`: sixteen hexadecimal digits
/// for the incarnation, a dash, and the number. Within an incarnation cursors ascend in the
/// order of the log; they need not be contiguous. A topic that starts anew, after a restart of
/// the server for instance, has another incarnation: an old cursor is a
/// [gap](super::Gap) there, and never a wrong place.
///
/// # Examples
///
/// ```
/// use hangup::topic::Cursor;
///
/// let cursor = Cursor::new(0x5eed, 42);
/// assert_eq!(cursor.to_string(), "0000000000005eed-42");
/// assert_eq!("0000000000005eed-42".parse(), Ok(cursor));
/// assert!("42; drop table".parse::<Cursor>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    incarnation: u64,
    number: u64,
}

/// As many digits as a cursor has for its incarnation.
const DIGITS: usize = 16;

impl Cursor {
    /// The most bytes that a printed cursor has.
    pub(super) const MAX_LEN: usize = DIGITS + 1 + 20;

    /// The cursor with this number in this incarnation: for numbers that an engine gives.
    #[must_use]
    pub const fn new(incarnation: u64, number: u64) -> Self {
        Self {
            incarnation,
            number,
        }
    }

    /// Which life of the log it is a place in.
    #[must_use]
    pub const fn incarnation(self) -> u64 {
        self.incarnation
    }

    /// The number within the incarnation.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.number
    }

    /// Parses what a client sent, of any length and content.
    ///
    /// # Errors
    ///
    /// [`ParseCursorError`] if no cursor is printed like this.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, ParseCursorError> {
        Self::parse_bytes(text.as_ref()).ok_or(ParseCursorError)
    }

    fn parse_bytes(text: &[u8]) -> Option<Self> {
        if text.len() > Self::MAX_LEN {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let (incarnation, number) = text.split_once('-')?;
        // `from_str_radix` and `parse` would take a sign as well.
        let is_hex = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        if incarnation.len() != DIGITS || !incarnation.bytes().all(is_hex) {
            return None;
        }
        let is_canonical = number == "0" || !number.starts_with('0');
        if !is_canonical || !number.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        Some(Self {
            incarnation: u64::from_str_radix(incarnation, 16).ok()?,
            number: number.parse().ok()?,
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.incarnation, self.number)
    }
}

impl FromStr for Cursor {
    type Err = ParseCursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// A text that is no [`Cursor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("not a cursor")]
#[non_exhaustive]
pub struct ParseCursorError;

#[cfg(test)]
mod tests {
    use super::{Cursor, ParseCursorError};

    #[test]
    fn every_cursor_is_parsed_from_what_it_prints() {
        for incarnation in [0, 1, 0xabc, u64::MAX] {
            for number in [0, 1, 10, u64::MAX] {
                let cursor = Cursor::new(incarnation, number);
                assert!(cursor.to_string().len() <= Cursor::MAX_LEN);
                assert_eq!(Cursor::parse(cursor.to_string()), Ok(cursor));
            }
        }
    }

    #[test]
    fn what_no_cursor_prints_is_an_error() {
        let zeros = "0".repeat(16);
        let long = format!("{zeros}-{}", "9".repeat(1 << 20));
        let garbage = [
            "",
            "-",
            "7",
            "-7",
            "x-7",
            "0-7",
            &zeros,
            &long,
            &format!("{zeros}-"),
            &format!("{zeros}-x"),
            &format!("{zeros}-+7"),
            &format!("{zeros}--7"),
            &format!("{zeros}-07"),
            &format!("{zeros}-7 "),
            &format!("+{}-7", "0".repeat(15)),
            &format!("{}A-7", "0".repeat(15)),
            &format!("{zeros}-18446744073709551616"),
            &format!("{zeros}0-7"),
            &format!("{zeros}-7\n"),
            "é0000000000000-77",
        ];
        for text in garbage {
            assert_eq!(Cursor::parse(text), Err(ParseCursorError), "{text:?}");
        }
        assert_eq!(Cursor::parse(b"\xff\xfe-\x00"), Err(ParseCursorError));
    }
}
