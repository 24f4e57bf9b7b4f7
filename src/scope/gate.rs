//! Who comes in: the drain gate and the cap, decided in one step (I6).
//!
//! ```text
//!   bits   what
//!   0      SHUT: a drain has begun; never cleared
//!   1-     how many are inside: admitted, and not settled yet
//! ```
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
pub(super) const UNLIMITED: usize = usize::MAX / ONE;

pub(super) struct Gate(AtomicUsize);

/// Whether the gate is shut and nobody is inside, which stays so.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// It is drained, as of this step: wake whoever waits for that.
    Drained,
    /// It is not, or not as of this step.
    Otherwise,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    pub(super) fn admit(&self, max: usize) -> Result<(), Refused> {
        let mut current = self.0.load(Ordering::Acquire);
        loop {
            if current & SHUT != 0 {
                return Err(Refused::Draining);
            }
            if current / ONE >= max {
                return Err(Refused::Full);
            }
            match self.0.compare_exchange_weak(
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
    pub(super) fn leave(&self) -> Inside {
        let before = self.0.fetch_sub(ONE, Ordering::Release);
        debug_assert!(before >= ONE, "one left who was not inside");
        if before == SHUT + ONE {
            Inside::Drained
        } else {
            Inside::Otherwise
        }
    }

    pub(super) fn shut(&self) -> Inside {
        if self.0.fetch_or(SHUT, Ordering::Release) == 0 {
            Inside::Drained
        } else {
            Inside::Otherwise
        }
    }

    pub(super) fn is_shut(&self) -> bool {
        self.0.load(Ordering::Acquire) & SHUT != 0
    }

    pub(super) fn is_drained(&self) -> bool {
        // ORDERING: Acquire is redundant while who asks goes on to the locks under which
        // all have left; but that is not to be seen from here.
        self.0.load(Ordering::Acquire) == SHUT
    }
}
