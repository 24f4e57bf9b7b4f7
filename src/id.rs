//! Identities.

use std::fmt;
use std::str::FromStr;

#[cfg(not(hangup_loom))]
use std::cell::Cell;

#[cfg(not(hangup_loom))]
use crate::sync::AtomicU64;
use crate::sync::Ordering;

/// How many numbers a thread takes from the shared counter at once, so that threads
/// seldom write to the same cache line. In a model one, so that one thread takes several
/// blocks.
const BLOCK: u64 = if cfg!(hangup_loom) { 1 } else { 64 };

#[cfg(not(hangup_loom))]
static NEXT: AtomicU64 = AtomicU64::new(BLOCK);
// Reset for each execution of the model: a repeated execution must take the same steps.
#[cfg(hangup_loom)]
loom::lazy_static! {
    static ref NEXT: std::sync::atomic::AtomicU64 = BLOCK.into();
}

fn next_block() -> u64 {
    // ORDERING: Relaxed, because the number is only compared.
    NEXT.fetch_add(BLOCK, Ordering::Relaxed)
}

/// A number that is new in this process. On one thread, each is greater than those before
/// it.
#[cfg(not(hangup_loom))]
fn next_number() -> u64 {
    thread_local! {
        static LATEST: Cell<u64> = const { Cell::new(BLOCK - 1) };
    }
    let next = match LATEST.get() + 1 {
        end if end % BLOCK == 0 => next_block(),
        next => next,
    };
    LATEST.set(next);
    next
}
#[cfg(hangup_loom)]
fn next_number() -> u64 {
    next_block()
}

/// The identity of a connection, unique in this process and never used again.
///
/// Of two connections that one thread opened, the later one has the greater id. The ids of
/// connections that different threads opened are in no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    pub(crate) fn next() -> Self {
        Self(next_number())
    }

    /// Spreads a scope's connections evenly over its shards; a thread that opens many
    /// stays with one shard for a block of ids.
    pub(crate) fn shard(self) -> usize {
        (self.0 / BLOCK) as usize
    }

    /// A number from 0 to 1 that differs between connections: for jitter, which need not
    /// be hard to guess.
    pub(crate) fn share(self) -> f64 {
        // Fibonacci hashing: the golden ratio puts consecutive ids far apart.
        let hash = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        f64::from(u32::try_from(hash).expect("32 bits are left")) / 2f64.powi(32)
    }
}

/// Reads what its `Display` writes.
impl FromStr for ConnectionId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        // The sign, which a number may have.
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_number.then(|| text.parse().ok()).flatten();
        number.map(Self).ok_or(ParseIdError)
    }
}

/// A text is not a [`ConnectionId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("no id of a connection")]
#[non_exhaustive]
pub struct ParseIdError;

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
