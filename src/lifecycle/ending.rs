//! How a connection closes, and which thread has the duty to unwind it (I2).

use std::sync::Arc;

use super::Lifecycle;
use super::word::{OnClose, OnDisown, OnRelease};
use crate::id::ConnectionId;
use crate::state::{CloseReason, Closed};

impl Lifecycle {
    /// Closes from anywhere. `Ok` if this call won.
    pub(crate) fn close(&self, reason: CloseReason) -> Result<(), Closed> {
        let duty = self.begin_to_close(reason)?;
        self.discharge(duty);
        Ok(())
    }

    /// Closes, and returns what the caller must [discharge](Self::discharge) at once.
    #[inline]
    pub(crate) fn begin_to_close(&self, reason: CloseReason) -> Result<OnClose, Closed> {
        self.transition(|word| word.close(reason))
    }

    /// Closes from anywhere, and keeps what is said about it. `Ok` if this call won.
    pub(crate) fn close_with(
        &self,
        reason: CloseReason,
        words: Option<Arc<str>>,
        by: Option<ConnectionId>,
    ) -> Result<(), Closed> {
        let now = self.now();
        // Under the lock, so that every reader who has seen this close finds the words.
        let mut inner = self.lock_to_store();
        let closed = self.record(now, |word| word.close(reason));
        if closed.is_ok() {
            let about = inner.about();
            (about.words, about.by) = (words, by);
        }
        drop(inner);
        self.deliver();
        self.discharge(closed?);
        Ok(())
    }

    #[inline]
    pub(crate) fn discharge(&self, duty: OnClose) {
        match duty {
            OnClose::Unwind { has_parts: true } => self.unwind(),
            OnClose::Unwind { has_parts: false } => self.settle_without_undos(),
            OnClose::LeaveToOwner => self.wake_closed(),
        }
    }

    /// Closes and wakes. `Ok` if this call won, with the duty to unwind unless the owner has
    /// it.
    pub(crate) fn begin_close(&self, reason: CloseReason) -> Result<Option<Unwind<'_>>, Closed> {
        let duty = self.transition(|word| word.close(reason))?;
        self.wake_closed();
        Ok(match duty {
            OnClose::Unwind { has_parts } => Some(Unwind::new(self, has_parts)),
            OnClose::LeaveToOwner => None,
        })
    }

    /// The owner is gone: closes if the connection is open, and unwinds if the owner has that
    /// duty.
    #[inline]
    pub(crate) fn release(&self, reason: CloseReason) {
        match self.transition(|word| word.release(reason)) {
            OnRelease::Unwind { has_parts } => drop(Unwind::new(self, has_parts)),
            OnRelease::Nothing => {}
        }
    }

    /// The owner is going: closes and wakes if the connection is open, and returns the duty
    /// to unwind if the owner has it.
    pub(crate) fn begin_release(&self, reason: CloseReason) -> Option<Unwind<'_>> {
        match self.transition(|word| word.release(reason)) {
            OnRelease::Unwind { has_parts } => {
                self.wake_closed();
                Some(Unwind::new(self, has_parts))
            }
            OnRelease::Nothing => None,
        }
    }

    /// Whether a registry has refused the connection a place. Then its end is no client that
    /// vanished: if the owner goes, it closes as [`Rejected`](CloseReason::Rejected).
    #[inline]
    pub(crate) fn set_refused(&self, refused: bool) {
        self.word().set_refused(refused);
    }

    /// The owner will go, and the connection stays open.
    pub(crate) fn leave_open(&self) {
        self.word().leave_open();
    }

    /// The connection has an owner again: its drop closes it.
    pub(crate) fn take_back(&self) {
        self.word().take_back();
    }

    /// A live owner takes the duty to unwind, unless the connection has closed.
    pub(crate) fn own(&self) -> Result<(), Closed> {
        self.word().own()
    }

    /// A live owner gives up the duty to unwind: what it was for is complete, or dropped
    /// (I2). `Err` if a close has left the undo to it.
    pub(crate) fn disown(&self) -> Result<(), (Closed, Unwind<'_>)> {
        match self.word().disown() {
            OnDisown::Continue => Ok(()),
            OnDisown::Unwind { closed, has_parts } => Err((closed, Unwind::new(self, has_parts))),
        }
    }

    /// [`disown`](Self::disown) if a step was forgotten.
    pub(crate) fn disown_forgotten(&self) {
        if self.word().load().is_owned() {
            drop(self.disown());
        }
    }
}

/// The duty to unwind, discharged when it is dropped, so that no panic loses it. The
/// holder first drops what is newer than the stack: the output of a step, the source of a
/// stream.
#[must_use]
pub(crate) struct Unwind<'a> {
    lifecycle: &'a Lifecycle,
    has_parts: bool,
}

impl<'a> Unwind<'a> {
    fn new(lifecycle: &'a Lifecycle, has_parts: bool) -> Self {
        Self {
            lifecycle,
            has_parts,
        }
    }
}

impl Drop for Unwind<'_> {
    fn drop(&mut self) {
        if self.has_parts {
            self.lifecycle.unwind();
        } else {
            self.lifecycle.settle_without_undos();
        }
    }
}
