//! Containing the panics of user code.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs user code that must not stop the code after it (I2), and returns the message of
/// its panic, if it panics.
///
/// `AssertUnwindSafe` is right here: `f` consumes what it captured, and data that it
/// shares with other code can be poisoned by that code itself.
pub(crate) fn catch_panic<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(message)
}

/// The text of a panic payload.
pub(crate) fn message(payload: Box<dyn Any + Send>) -> String {
    let message = match payload.downcast_ref::<&'static str>() {
        Some(text) => Some((*text).to_owned()),
        None => payload.downcast_ref::<String>().cloned(),
    };
    // The payload's `Drop` may panic too, and so may the `Drop` of that panic's payload:
    // the second payload is leaked, which ends the chain.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(payload);
    }
    message.unwrap_or_else(|| "panicked with a payload that is no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::catch_panic;

    #[test]
    fn catches_any_payload() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("in the payload");
            }
        }

        assert_eq!(catch_panic(|| 7), Ok(7));
        assert_eq!(
            catch_panic(|| panic!("static")),
            Err::<(), _>("static".into())
        );
        let text = "owned";
        assert_eq!(
            catch_panic(|| panic!("{text}")),
            Err::<(), _>("owned".into())
        );
        assert!(catch_panic(|| std::panic::panic_any(Bomb)).is_err());
    }
}
