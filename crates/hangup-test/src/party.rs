//! The parties of a run.

use std::fmt;

/// Who acquires or releases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Party {
    /// Nobody in particular: the server itself.
    #[default]
    Server,
    /// The connection that is interrupted.
    First,
    /// The one that arrives meanwhile, under the same key.
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
