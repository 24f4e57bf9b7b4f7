//! Keeping a panic of user code where it belongs.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs user code that must not cost anyone else a turn (I2), and returns the
/// message if it panicked.
///
/// `AssertUnwindSafe`: what `f` captured is consumed by it, and what it shares
/// with others is theirs to poison.
pub(crate) fn contain<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(message)
}

/// What a payload says.
pub(crate) fn message(payload: Box<dyn Any + Send>) -> String {
    let message = match payload.downcast_ref::<&'static str>() {
        Some(text) => Some((*text).to_owned()),
        None => payload.downcast_ref::<String>().cloned(),
    };
    // A payload's own `Drop` may panic too, and that panic's payload as well:
    // the second one is leaked, since somewhere it has to end.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(payload);
    }
    message.unwrap_or_else(|| "panicked with a payload that is no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::contain;

    #[test]
    fn contains_any_payload() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("in the payload");
            }
        }

        assert_eq!(contain(|| 7), Ok(7));
        assert_eq!(contain(|| panic!("static")), Err::<(), _>("static".into()));
        let text = "owned";
        assert_eq!(contain(|| panic!("{text}")), Err::<(), _>("owned".into()));
        assert!(contain(|| std::panic::panic_any(Bomb)).is_err());
    }
}
