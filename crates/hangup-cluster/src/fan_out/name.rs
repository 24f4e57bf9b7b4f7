//! The names of topics.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::engine::MAX_NAME;

/// The name of a topic, as every engine takes it: `A-Z`, `a-z`, `0-9`, `_`, `=` and `-`, at
/// least one of them and at most [`MAX_NAME`].
///
/// Cheap to clone.
///
/// # Examples
///
/// ```
/// use hangup_cluster::fan_out::{NameError, TopicName};
///
/// let name: TopicName = "agent-7".parse()?;
/// assert_eq!(name.as_str(), "agent-7");
/// assert_eq!(TopicName::new("agent.7"), Err(NameError::Character('.')));
/// # Ok::<(), NameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// Takes `name` as it is.
    ///
    /// # Errors
    ///
    /// [`NameError`] if it is not the name of a topic.
    pub fn new(name: impl AsRef<str>) -> Result<Self, NameError> {
        let name = name.as_ref();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > MAX_NAME {
            return Err(NameError::TooLong { size: name.len() });
        }
        let is_in = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '=' | '-');
        match name.chars().find(|c| !is_in(*c)) {
            Some(other) => Err(NameError::Character(other)),
            None => Ok(Self(Arc::from(name))),
        }
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TopicName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// A text that is no [`TopicName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It has no character.
    #[error("the name of a topic is empty")]
    Empty,
    /// It has more bytes than [`MAX_NAME`].
    #[error("the name of a topic has {size} bytes, at most {MAX_NAME}")]
    TooLong {
        /// How many bytes it has.
        size: usize,
    },
    /// It has a character that is in no name.
    #[error("the name of a topic has the character {0:?}")]
    Character(char),
}

#[cfg(test)]
mod tests {
    use super::{MAX_NAME, NameError, TopicName};

    #[test]
    fn the_rules_of_the_engines_are_kept() {
        for name in ["a", "AZaz09_=-", "=", &"x".repeat(MAX_NAME)] {
            assert_eq!(TopicName::new(name).unwrap().to_string(), name);
        }
        assert_eq!(TopicName::new(""), Err(NameError::Empty));
        let long = "x".repeat(MAX_NAME + 1);
        assert_eq!(
            TopicName::new(long),
            Err(NameError::TooLong { size: MAX_NAME + 1 })
        );
        for (name, wrong) in [
            ("a.b", '.'),
            ("a b", ' '),
            ("é", 'é'),
            ("a*", '*'),
            ("a>", '>'),
        ] {
            assert_eq!(TopicName::new(name), Err(NameError::Character(wrong)));
        }
    }
}
