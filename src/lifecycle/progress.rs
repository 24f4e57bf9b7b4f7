//! Whether the owner sleeps, and how far the unwinding is.

use std::task::Waker;

/// The waker of the owner is stored as long as the connection is open, and the unwinding takes
/// it before anything else: so the memory of one serves the other.
pub(super) enum Progress {
    /// One waker, since a connection has one owner. Only the close takes it.
    Asleep(Waker),
    Awake(Unwinding),
}

/// How many undos have run, and the bits below. One number without padding, and never zero, so
/// that it is written by itself: see [`Inner`](super::cell::Inner).
#[derive(Clone, Copy)]
pub(super) struct Unwinding(u64);

/// The stack has been found empty, and the undos and the panics have been counted.
const OVER: u64 = 1 << 63;
const NOT_ZERO: u64 = 1 << 62;

impl Default for Unwinding {
    fn default() -> Self {
        Self(NOT_ZERO)
    }
}

impl Unwinding {
    pub(super) fn undos_run(self) -> usize {
        (self.0 & !(OVER | NOT_ZERO)) as usize
    }

    pub(super) fn is_over(self) -> bool {
        self.0 & OVER != 0
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::Awake(Unwinding::default())
    }
}

impl Progress {
    /// Stores a waker of a connection that is open, and returns the one before it.
    pub(super) fn sleep(&mut self, waker: Waker) -> Option<Waker> {
        debug_assert!(!self.unwinding().is_over(), "the owner has not unwound yet");
        match std::mem::replace(self, Self::Asleep(waker)) {
            Self::Asleep(before) => Some(before),
            Self::Awake(_) => None,
        }
    }

    #[inline]
    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        if matches!(self, Self::Awake(_)) {
            return None;
        }
        match std::mem::take(self) {
            Self::Asleep(waker) => Some(waker),
            Self::Awake(_) => None,
        }
    }

    pub(super) fn unwinding(&self) -> Unwinding {
        match self {
            Self::Asleep(_) => Unwinding::default(),
            Self::Awake(unwinding) => *unwinding,
        }
    }

    pub(super) fn undo_has_run(&mut self) {
        self.unwinding_mut().0 += 1;
    }

    pub(super) fn unwound(&mut self) {
        self.unwinding_mut().0 |= OVER;
    }

    fn unwinding_mut(&mut self) -> &mut Unwinding {
        match self {
            Self::Awake(unwinding) => unwinding,
            Self::Asleep(_) => unreachable!("the close has taken the waker"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::Progress;

    #[test]
    fn takes_no_more_memory_than_a_waker() {
        assert_eq!(size_of::<Progress>(), size_of::<Waker>());
    }
}
