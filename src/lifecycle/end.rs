//! How a connection ended, in words too.

use std::fmt;
use std::sync::Arc;

use super::Lifecycle;
use crate::id::ConnectionId;
use crate::state::{CloseReason, Closed};

/// How a connection ended: [`Closed`], with the words of the close that won, and with the
/// connection that superseded it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct End {
    /// The reason, and the phase in which it ended.
    pub closed: Closed,
    /// What [`Handle::close_with`](crate::Handle::close_with) was given.
    pub words: Option<Arc<str>>,
    /// The connection that superseded this one.
    pub by: Option<ConnectionId>,
}

impl End {
    /// Why the connection ended.
    #[must_use]
    pub fn reason(&self) -> CloseReason {
        self.closed.reason
    }
}

/// The reason, and the words if there are some.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.closed.reason.fmt(f)?;
        match &self.words {
            Some(words) => write!(f, ": {words}"),
            None => Ok(()),
        }
    }
}

impl Lifecycle {
    /// What the close that won said beside `closed`.
    pub(crate) fn end(&self, closed: Closed) -> End {
        let said = self.read_about(|about| Some((about.words.clone(), about.by)));
        let (words, by) = said.unwrap_or_default();
        End { closed, words, by }
    }
}
