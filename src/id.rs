//! Who is who.

use std::fmt;

use crate::sync::next_number;

/// The identity of a connection, unique in this process and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    pub(crate) fn next() -> Self {
        Self(next_number())
    }

    /// Spreads a scope's connections evenly over its shards.
    #[expect(clippy::cast_possible_truncation, reason = "only the low bits count")]
    pub(crate) fn shard(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
