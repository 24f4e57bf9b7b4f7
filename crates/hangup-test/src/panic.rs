//! Containment of panics in user code.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// Runs user code and returns the message of its panic as the error.
///
/// `AssertUnwindSafe`: the closure is consumed by the call, and the state that it shares
/// with other code is user state.
pub(crate) fn catch_panic<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(message)
}

/// Drops the values one at a time. A second panic during the first would abort the
/// process.
pub(crate) fn drop_each<T>(values: impl IntoIterator<Item = T>) {
    for value in values {
        let _: Result<(), String> = catch_panic(|| drop(value));
    }
}

/// Wakes a task. A panic of the waker is reported by the panic hook and goes no further.
pub(crate) fn wake(waker: Waker) {
    let _: Result<(), String> = catch_panic(|| waker.wake());
}

/// Returns the message of a panic payload.
fn message(payload: Box<dyn Any + Send>) -> String {
    let message = match payload.downcast_ref::<&'static str>() {
        Some(text) => Some((*text).to_owned()),
        None => payload.downcast_ref::<String>().cloned(),
    };
    // The `Drop` of the payload may panic too, and so may the payload of that panic. The
    // second payload is leaked.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(payload);
    }
    message.unwrap_or_else(|| "panicked with a payload that is no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::catch_panic;

    #[test]
    fn any_payload_is_contained() {
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
