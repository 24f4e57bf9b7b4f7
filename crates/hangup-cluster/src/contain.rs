//! Containing the panics of user code.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs user code that must not stop the code after it. `None` if it panics.
///
/// `AssertUnwindSafe` is right here: `f` consumes what it captured.
pub(crate) fn contain<R>(f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(returned) => Some(returned),
        Err(payload) => {
            // The drop of a payload may panic as well, and so on: the second one is leaked.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(payload);
            }
            None
        }
    }
}
