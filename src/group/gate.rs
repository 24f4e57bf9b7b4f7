//! Who comes in: the drain gate and the cap, decided in one step (I6).
//!
//! ```text
//!   bits   what
//!   0      SHUT: a drain has begun; never cleared
//!   1-     with a cap, how many are inside: admitted, and not settled yet
//! ```
//!
//! Without a cap nobody counts, so that threads do not meet here. Who is inside is then
//! known under the locks of the shards alone, under which everybody comes in and leaves.
//!
//! ORDERING: every move is one read-modify-write, so each hands on what those before it
//! have released. Who leaves and who shuts the gate releases; who comes in, is refused
//! or looks acquires. So who gets a place sees the undo of whoever had it, and who is
//! told of the drain sees what came before that.

use crate::error::Refused;
use crate::sync::{AtomicUsize, Ordering};

const SHUT: usize = 1;
const ONE: usize = 2;

/// More than memory has room for.
const UNLIMITED: usize = usize::MAX / ONE;

pub(crate) struct Gate {
    word: AtomicUsize,
    max: usize,
}

impl Gate {
    pub(crate) fn new(max: Option<usize>) -> Self {
        Self {
            word: AtomicUsize::new(0),
            max: max.unwrap_or(UNLIMITED).min(UNLIMITED),
        }
    }

    /// Under the lock of the shard that the newcomer goes to.
    pub(crate) fn admit(&self) -> Result<(), Refused> {
        let mut current = self.word.load(Ordering::Acquire);
        loop {
            if current & SHUT != 0 {
                return Err(Refused::Draining);
            }
            if self.is_unlimited() {
                return Ok(());
            }
            if current / ONE >= self.max {
                return Err(Refused::Full);
            }
            match self.word.compare_exchange_weak(
                current,
                current + ONE,
                Ordering::Acquire,
                Ordering::Acquire,
            ) {
                Ok(_) => return Ok(()),
                Err(seen) => current = seen,
            }
        }
    }

    /// One of those inside has settled.
    pub(crate) fn leave(&self) {
        if !self.is_unlimited() {
            let before = self.word.fetch_sub(ONE, Ordering::Release);
            debug_assert!(before >= ONE, "one left who was not inside");
        }
    }

    pub(crate) fn shut(&self) {
        self.word.fetch_or(SHUT, Ordering::Release);
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.word.load(Ordering::Acquire) & SHUT != 0
    }

    fn is_unlimited(&self) -> bool {
        self.max == UNLIMITED
    }
}
