//! The parties of a run.

use std::fmt;

/// The party for which something is acquired or released.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Party {
    /// The server itself.
    #[default]
    Server,
    /// The first connection, which is interrupted.
    First,
    /// The second connection, which arrives under the same key.
    Newcomer,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "the server",
            Self::First => "the connection",
            Self::Newcomer => "the newcomer",
        })
    }
}
