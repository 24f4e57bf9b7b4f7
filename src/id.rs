//! Who is who.

use std::fmt;

use crate::sync::{BLOCK, next_number};

/// The identity of a connection, unique in this process and never used again.
///
/// Of two that one thread opened, the later one is the greater. Of two that different
/// threads opened, that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    pub(crate) fn next() -> Self {
        Self(next_number())
    }

    /// Spreads a scope's connections evenly over its shards, while a thread that opens
    /// many stays with one for a while.
    pub(crate) fn shard(self) -> usize {
        (self.0 / BLOCK) as usize
    }

    /// A number from 0 to 1, another one for each: for jitter, which nobody has to
    /// guess.
    pub(crate) fn share(self) -> f64 {
        // Consecutive ids land far apart: the golden ratio, by Fibonacci hashing.
        let hash = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        f64::from(u32::try_from(hash).expect("32 bits are left")) / 2f64.powi(32)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
