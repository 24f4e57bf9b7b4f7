//! A panic of the user's future or stream ends the connection.

use std::pin::Pin;

use super::Lifecycle;
use crate::panic::catch_panic;
use crate::state::CloseReason;

/// A call into user code, in the span of the connection if it has one. If that panics, the connection closes as `Failed`, the slot is
/// emptied, and only then the undo runs (I2).
pub(crate) struct FailOnPanic<'a, T> {
    lifecycle: &'a Lifecycle,
    slot: Pin<&'a mut Option<T>>,
}

impl<'a, T> FailOnPanic<'a, T> {
    /// Polls the value in `slot`.
    #[inline]
    pub(crate) fn poll<R>(
        lifecycle: &'a Lifecycle,
        slot: Pin<&'a mut Option<T>>,
        poll: impl FnOnce(Pin<&mut T>) -> R,
    ) -> R {
        // Asserted before the guard exists, so that the compiler sees no panic between the
        // guard and the poll.
        assert!(slot.is_some(), "polled after completion");
        #[cfg(feature = "tracing")]
        let _entered = lifecycle.enter_span();
        let mut this = Self { lifecycle, slot };
        let value = this.slot.as_mut().as_pin_mut();
        let polled = poll(value.expect("just seen"));
        std::mem::forget(this);
        polled
    }

    /// Calls `f` with the slot itself, which it may empty.
    pub(crate) fn run<R>(
        lifecycle: &'a Lifecycle,
        slot: Pin<&'a mut Option<T>>,
        f: impl FnOnce(Pin<&mut Option<T>>) -> R,
    ) -> R {
        #[cfg(feature = "tracing")]
        let _entered = lifecycle.enter_span();
        let mut this = Self { lifecycle, slot };
        let output = f(this.slot.as_mut());
        std::mem::forget(this);
        output
    }
}

impl<T> Drop for FailOnPanic<'_, T> {
    // Passes the fields one by one: the guard need not be in memory for that before the
    // poll.
    #[inline]
    fn drop(&mut self) {
        fail(self.lifecycle, self.slot.as_mut());
    }
}

#[cold]
fn fail<T>(lifecycle: &Lifecycle, mut slot: Pin<&mut Option<T>>) {
    let unwind = lifecycle.begin_close(CloseReason::Failed);
    // Contained, because a second panic during unwinding aborts the process.
    let _: Result<(), String> = catch_panic(|| slot.set(None));
    drop(unwind);
}
