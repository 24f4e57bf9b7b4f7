//! Why a scenario did not come to its end.

use std::io;
use std::time::Duration;

/// A scenario did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A socket or a process has failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What was waited for did not happen.
    #[error("after {after:?}, not yet: {what}")]
    Overdue {
        /// What was waited for.
        what: String,
        /// For how long.
        after: Duration,
    },
    /// A server did what no server does, such as to end, or to answer something else.
    #[error("{0}")]
    Unexpected(String),
}

impl Failure {
    pub(crate) fn overdue(what: impl Into<String>, after: Duration) -> Self {
        let what = what.into();
        Self::Overdue { what, after }
    }
}
