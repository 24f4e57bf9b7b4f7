//! What a subscriber has missed.

use std::fmt;

use hangup::topic::Cursor;

/// Events after [`asked`](Self::asked) are lost, up to [`resume`](Self::resume) at most: no node
/// can yield them any more. What follows comes after `resume`.
///
/// If the two cursors are of different incarnations, the log has lost all that it had, and
/// begins anew behind `resume`. If `resume` is the earlier one, `asked` is a place that the log
/// has never given, or has lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Gap {
    /// The last place up to which nothing is missing.
    pub asked: Cursor,
    /// The place that a client which has been told of the gap resumes after: send it as the
    /// event's `id`.
    pub resume: Cursor,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "events are missing after {}, up to {}",
            self.asked, self.resume
        )
    }
}

impl std::error::Error for Gap {}
