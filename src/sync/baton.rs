//! One thread delivers, the others leave it to that thread.
//!
//! Calls into user code must not run under a lock (I8), yet must come one at a time and in
//! order. So the calls that are due are kept under a lock, beside a baton:
//!
//! 1. A thread adds its call under the lock and takes the baton. If another thread has the
//!    baton, or a caller further up the same stack, that one makes the call: done.
//! 2. The holder takes the next due call under the lock, releases the lock, and calls.
//! 3. If no call is due, it puts the baton back under that same lock, so no call that is
//!    added is left without a thread that makes it.

/// Held by the thread that delivers. `T` is what the holder keeps alive for its calls.
///
/// A baton is guarded by the lock that guards the calls that are due.
#[derive(Debug)]
pub(crate) struct Baton<T = ()> {
    holder: Option<T>,
}

impl<T> Default for Baton<T> {
    fn default() -> Self {
        Self { holder: None }
    }
}

impl<T> Baton<T> {
    /// Takes the baton, unless another call holds it: then that call delivers.
    #[must_use]
    pub(crate) fn take(&mut self, holder: impl FnOnce() -> T) -> bool {
        let free = self.holder.is_none();
        if free {
            self.holder = Some(holder());
        }
        free
    }

    pub(crate) fn holder(&self) -> Option<&T> {
        self.holder.as_ref()
    }

    /// For the holder: the next call to make, or its own value back if no call is due. The
    /// caller drops that value after it has released the lock (I8).
    pub(crate) fn next<C>(&mut self, due: Option<C>) -> Result<C, Option<T>> {
        due.ok_or_else(|| self.put_back())
    }

    pub(crate) fn put_back(&mut self) -> Option<T> {
        self.holder.take()
    }
}

#[cfg(test)]
mod tests {
    use super::Baton;

    #[test]
    fn one_holder_at_a_time_delivers_all_that_is_due() {
        let mut baton = Baton::default();
        assert!(baton.take(|| "first"));
        assert!(!baton.take(|| unreachable!("only a holder has a value")));
        assert_eq!(baton.holder(), Some(&"first"));
        assert_eq!(baton.next(Some(7)), Ok(7));
        assert!(!baton.take(|| "second"));
        // With nothing due, the baton is free in the same step.
        assert_eq!(baton.next(None::<i32>), Err(Some("first")));
        assert_eq!(baton.holder(), None);
        assert!(baton.take(|| "second"));
        assert_eq!(baton.put_back(), Some("second"));
    }
}
