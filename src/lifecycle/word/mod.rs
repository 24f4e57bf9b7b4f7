//! The one atomic word of a connection, and the legal moves on it (I1).
//!
//! `snapshot` lists the bits; this file has the transitions.
//!
//! `OWNED` decides which thread runs the undo (I2): the owner if it is set, else the closer.
//! `register` sets it and `go_live` clears it, so that a connection cannot settle while its
//! owner can register an undo (I5). A step and a loop of a live owner set and clear it
//! too. Closer and owner make a read-modify-write on this word, so exactly one of them sees
//! the other's bit and gets the duty.
//!
//! `HAS_PARTS` lets a close skip the mutex if nothing was ever stored under it. The close
//! reads the bit in the read-modify-write that closes; a later `mark_has_parts` sees
//! CLOSED and reports `Missed`. `SETTLE_WAITER` does the same for the wakers that wait for
//! SETTLED.
//!
//! ORDERING: every move is one read-modify-write, `AcqRel`, and every load is `Acquire`.
//! That pairs each thread that sees a state with the thread that entered it: a thread that
//! sees `Live` sees the set-up, and a thread that sees `SETTLED` sees every undo.

mod snapshot;
#[cfg(all(test, not(hangup_loom)))]
mod tests;

use crate::state::{CloseReason, Closed};
use crate::sync::{AtomicU32, Ordering};

use snapshot::{
    HAS_PARTS, LEFT_OPEN, LIVE, OWNED, PENDING, REFUSED, REGISTERING, RETURNING, SET_ASIDE,
    SETTLE_WAITER, SETTLED, STALL_WATCH, encode_reason,
};

pub(crate) use snapshot::{Snapshot, Standing};

pub(crate) struct Word(AtomicU32);

/// What the winner of a close must now do.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnClose {
    /// Run the undo.
    Unwind { has_parts: bool },
    /// Only wake the owner: it stops what is in flight, and then runs the undo.
    LeaveToOwner,
}

/// Why a connection did not go live.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotLive {
    Closed(Closed),
    /// Look-ups have set its slots aside. The owner brings them back and tries again.
    SetAside,
}

/// What a live owner must do when it gives up the duty to unwind.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDisown {
    /// Nothing: a later close runs the undo.
    Continue,
    /// Run the undo: the connection closed while the owner had the duty.
    Unwind { closed: Closed, has_parts: bool },
}

/// What must be done when the owner is gone.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnRelease {
    /// Wake, and run the undo: the connection was open until now, or a close had left the
    /// undo to the owner.
    Unwind { has_parts: bool },
    /// The connection had closed, and its closer runs the undo.
    Nothing,
}

/// What `mark_has_parts` tells a caller that is about to store something under the mutex.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// The closer will look under the mutex, or has looked: see `Inner::unwound`.
    Seen,
    /// The connection closed while the bit was clear, so no thread will look: the caller
    /// undoes it itself.
    Missed,
}

impl Word {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(PENDING))
    }

    #[inline]
    pub(crate) fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Ordering::Acquire))
    }

    /// The only loop that writes the state: one read-modify-write, or none if `next`
    /// refuses the move. Returns the word before the move, or the word that was refused.
    #[inline]
    fn update(&self, next: impl Fn(Snapshot) -> Option<Snapshot>) -> Result<Snapshot, Snapshot> {
        let mut current = self.load();
        loop {
            let Some(next) = next(current) else {
                return Err(current);
            };
            match self.0.compare_exchange_weak(
                current.0,
                next.0,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Ok(current),
                Err(seen) => current = Snapshot(seen),
            }
        }
    }

    /// A move that only a close can prevent.
    #[inline]
    fn move_on(&self, next: impl Fn(Snapshot) -> Option<Snapshot>) -> Result<Snapshot, Closed> {
        self.update(next).map_err(Snapshot::expect_closed)
    }

    #[inline]
    pub(crate) fn register(&self) -> Result<(), Closed> {
        self.move_on(|word| Some(word.entered(REGISTERING)?.owned()))
            .map(drop)
    }

    #[inline]
    pub(crate) fn go_live(&self) -> Result<(), NotLive> {
        let live = |word: Snapshot| {
            let live = word.entered(LIVE)?.without_owner().without_refusal();
            (!word.is_aside()).then_some(live)
        };
        match self.update(live) {
            Ok(_) => Ok(()),
            Err(word) => Err(word.closed().map_or(NotLive::SetAside, NotLive::Closed)),
        }
    }

    /// A look-up wants to set a slot aside, if its connection is in set-up. It may if this
    /// returns `InSetUp`: then `go_live` brings the slot back before the connection is live.
    pub(crate) fn set_aside(&self) -> Standing {
        let aside = |word: Snapshot| {
            let is_new = word.standing() == Standing::InSetUp && !word.is_aside();
            is_new.then_some(Snapshot(word.0 | SET_ASIDE))
        };
        match self.update(aside) {
            Ok(word) | Err(word) => word.standing(),
        }
    }

    /// The owner is about to bring its slots back: no look-up sets one aside from now on.
    ///
    /// A look-up that has read the word before holds the lock under which the owner is about
    /// to look for the slot, or has released it.
    pub(crate) fn begin_return(&self) {
        // ORDERING: Relaxed, because the lock of a table orders it.
        self.0.fetch_or(RETURNING, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn close(&self, reason: CloseReason) -> Result<OnClose, Closed> {
        let reason = encode_reason(reason);
        let before = self.move_on(|word| word.closed_as(reason))?;
        Ok(if before.is_owned() {
            OnClose::LeaveToOwner
        } else {
            OnClose::Unwind {
                has_parts: before.has_parts(),
            }
        })
    }

    /// A live owner takes the duty to unwind, unless the connection has closed.
    pub(crate) fn own(&self) -> Result<(), Closed> {
        self.move_on(|word| (!word.is_closed()).then_some(word.owned()))
            .map(drop)
    }

    /// A live owner gives up the duty to unwind. What it was for is complete, or dropped.
    pub(crate) fn disown(&self) -> OnDisown {
        let before = Snapshot(self.0.fetch_and(!OWNED, Ordering::AcqRel));
        match before.closed().filter(|_| before.is_owned()) {
            None => OnDisown::Continue,
            Some(closed) => OnDisown::Unwind {
                closed,
                has_parts: before.has_parts(),
            },
        }
    }

    /// The owner is gone, and with it what it had in flight. A connection that was
    /// [refused](Self::set_refused) closes for that.
    #[inline]
    pub(crate) fn release(&self, reason: CloseReason) -> OnRelease {
        let (reason, refused) = (encode_reason(reason), encode_reason(CloseReason::Rejected));
        let release = |word: Snapshot| {
            let reason = if word.is_refused() { refused } else { reason };
            match word.closed_as(reason) {
                _ if word.is_left_open() => None,
                Some(closed) => Some(closed.without_owner()),
                None => word.is_owned().then_some(word.without_owner()),
            }
        };
        match self.update(release) {
            Ok(before) => OnRelease::Unwind {
                has_parts: before.has_parts(),
            },
            Err(_) => OnRelease::Nothing,
        }
    }

    /// The owner, in set-up, was refused a place in a registry, or has got one after that.
    #[inline]
    pub(crate) fn set_refused(&self, refused: bool) {
        // ORDERING: Relaxed, because only the owner reads the bit.
        if Snapshot(self.0.load(Ordering::Relaxed)).is_refused() != refused {
            self.0.fetch_xor(REFUSED, Ordering::Relaxed);
        }
    }

    /// The owner is about to go and leaves the connection open.
    pub(crate) fn leave_open(&self) {
        // ORDERING: Relaxed, because only the owner reads the bit.
        self.0.fetch_or(LEFT_OPEN, Ordering::Relaxed);
    }

    /// Another owner has come.
    pub(crate) fn take_back(&self) {
        // ORDERING: Relaxed, because only the owner reads the bit.
        self.0.fetch_and(!LEFT_OPEN, Ordering::Relaxed);
    }

    /// Everything is undone. Only the thread with the duty to unwind calls this. Returns
    /// whether a waker waits for it under the mutex.
    #[must_use]
    #[inline]
    pub(crate) fn settle(&self) -> bool {
        // ORDERING: Release suffices, because the thread with the duty to unwind has
        // acquired all that it reads when it got that duty.
        let before = Snapshot(self.0.fetch_or(SETTLED, Ordering::Release));
        debug_assert!(before.closed().is_some() && !before.is_owned() && !before.settled());
        before.has_settle_waiter()
    }

    /// The caller holds the mutex and is about to store something under it.
    #[inline]
    pub(crate) fn mark_has_parts(&self) -> Store {
        // ORDERING: Relaxed, because the mutex hands over what is stored under it.
        if self.0.load(Ordering::Relaxed) & HAS_PARTS != 0 {
            return Store::Seen;
        }
        let before = Snapshot(self.0.fetch_or(HAS_PARTS, Ordering::Relaxed));
        if before.is_closed() && !before.is_owned() {
            Store::Missed
        } else {
            Store::Seen
        }
    }

    /// A stall deadline watches the reader from now on, so a poll takes the slow path.
    pub(crate) fn set_stall_watch(&self) {
        // ORDERING: Relaxed, because the task that polls the source makes this call.
        self.0.fetch_or(STALL_WATCH, Ordering::Relaxed);
    }

    /// The caller holds the mutex and has stored a waker there that waits for SETTLED.
    pub(crate) fn set_settle_waiter(&self) {
        // ORDERING: Relaxed, because the mutex hands over the waker.
        self.0.fetch_or(SETTLE_WAITER, Ordering::Relaxed);
    }
}
