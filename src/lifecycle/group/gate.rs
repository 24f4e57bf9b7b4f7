//! Admission: the drain gate and the cap, decided in one step (I6).
//!
//! ```text
//!   bits   what
//!   0      CLOSED: a drain has begun; never cleared
//!   1-     with a cap, how many places are taken: by connections that have not settled,
//!          and by those that are about to enter
//! ```
//!
//! Without a cap the gate counts nothing, so that threads do not contend for it. The
//! connections inside are then known under the locks of the shards alone, under which each
//! of them enters and leaves.
//!
//! ORDERING: `leave` and `close` are `Release`, `admit` and `is_closed` are `Acquire`, and
//! every move is one read-modify-write, so a release is passed on by the moves after it. A
//! connection admitted into a freed place sees its predecessor's undos; a caller refused
//! as `Draining` sees all that preceded `begin_drain`. Without the former, this could fail:
//!
//! ```text
//!   thread 1                               thread 2
//!   setup.on_close(|| port.free())         let next = scope.open()?;  // cap of one
//!   drop(setup)                            assert!(port.is_free());
//! ```

use crate::error::OpenError;
use crate::sync::{AtomicUsize, Ordering};

const CLOSED: usize = 1;
const ONE: usize = 2;

/// More connections than memory has room for.
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

    /// The cap, if there is one.
    pub(crate) fn max(&self) -> Option<usize> {
        (!self.is_unlimited()).then_some(self.max)
    }

    /// Takes a place. The connection enters its shard later, if the gate is still open then.
    #[inline]
    pub(crate) fn admit(&self) -> Result<(), OpenError> {
        let mut current = self.word.load(Ordering::Acquire);
        loop {
            if current & CLOSED != 0 {
                return Err(OpenError::Draining);
            }
            if self.is_unlimited() {
                return Ok(());
            }
            if current / ONE >= self.max {
                return Err(OpenError::Full);
            }
            match self.word.compare_exchange_weak(
                current,
                current + ONE,
                // ORDERING: Acquire is redundant, because `is_closed` is loaded once more as
                // the connection enters its shard. It stays: `admit` shall not rely on that.
                Ordering::Acquire,
                Ordering::Acquire,
            ) {
                Ok(_) => return Ok(()),
                Err(seen) => current = seen,
            }
        }
    }

    /// Gives a place back: a connection inside has settled, or has not entered.
    #[inline]
    pub(crate) fn leave(&self) {
        if !self.is_unlimited() {
            let before = self.word.fetch_sub(ONE, Ordering::Release);
            debug_assert!(before >= ONE, "only an admitted connection leaves");
        }
    }

    /// `false` if it was closed before.
    pub(crate) fn close(&self) -> bool {
        self.word.fetch_or(CLOSED, Ordering::Release) & CLOSED == 0
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    #[inline]
    fn is_unlimited(&self) -> bool {
        self.max == UNLIMITED
    }
}
