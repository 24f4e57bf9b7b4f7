//! How much is looked at under one lock.

/// The places that may still be looked at before the lock is released (I10).
///
/// A walk takes a new one each time it locks a table, and goes on in the next one where it
/// stopped.
pub(super) struct Portion(usize);

impl Portion {
    pub(super) const PLACES: usize = 256;

    pub(super) fn new() -> Self {
        Self(Self::PLACES)
    }

    /// Whether one more place may be looked at.
    #[must_use]
    pub(super) fn take(&mut self) -> bool {
        let Some(left) = self.0.checked_sub(1) else {
            return false;
        };
        self.0 = left;
        #[cfg(test)]
        largest::record(Self::PLACES - left);
        true
    }
}

/// A walk that has to go on in another portion, behind this place.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfinished<T>(pub(super) T);

/// The largest portion so far of this thread.
#[cfg(test)]
pub(super) mod largest {
    use std::cell::Cell;

    thread_local! {
        static LARGEST: Cell<usize> = const { Cell::new(0) };
        static TOTAL: Cell<usize> = const { Cell::new(0) };
    }

    pub(in crate::registry) fn record(size: usize) {
        LARGEST.set(LARGEST.get().max(size));
        TOTAL.set(TOTAL.get() + 1);
    }

    /// The largest portion, and the sum of all, since the last call.
    pub(in crate::registry) fn take() -> (usize, usize) {
        (LARGEST.take(), TOTAL.take())
    }
}

/// What a test does between the first two portions of a walk of this thread.
#[cfg(all(test, not(hangup_loom)))]
pub(super) mod between {
    use std::cell::RefCell;

    type Step = Box<dyn FnOnce()>;

    thread_local! {
        static STEP: RefCell<Option<Step>> = const { RefCell::new(None) };
    }

    pub(in crate::registry) fn set(step: impl FnOnce() + 'static) {
        STEP.set(Some(Box::new(step)));
    }

    pub(in crate::registry) fn run() {
        // Taken first: the step may walk.
        if let Some(step) = STEP.take() {
            step();
        }
    }
}
