//! Containment of panics in user code.

use std::any::Any;
#[cfg(feature = "tokio")]
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "tokio")]
use std::sync::Once;
use std::task::Waker;

/// Runs user code and returns the message of its panic as the error.
///
/// `AssertUnwindSafe`: the closure is consumed by the call, and the state that it shares
/// with other code is user state.
pub(crate) fn catch_panic<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(message)
}

#[cfg(feature = "tokio")]
thread_local! {
    /// The messages of the panics on this thread, while they are collected.
    static MESSAGES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Returns what `f` returns, and the messages of all panics in it, also of those that are
/// caught in it. The panic hook reports them as usual.
#[cfg(feature = "tokio")]
pub(crate) fn panics_of<T>(f: impl FnOnce() -> T) -> (T, Vec<String>) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = text(info.payload());
            MESSAGES.with_borrow_mut(|messages| {
                if let Some(messages) = messages {
                    messages.push(text.unwrap_or_else(no_text));
                }
            });
            usual(info);
        }));
    });
    let outer = MESSAGES.replace(Some(Vec::new()));
    let value = f();
    let messages = MESSAGES.replace(outer);
    (value, messages.unwrap_or_default())
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
    let message = text(&*payload);
    // The `Drop` of the payload may panic too, and so may the payload of that panic. The
    // second payload is leaked.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(payload);
    }
    message.unwrap_or_else(no_text)
}

fn text(payload: &(dyn Any + Send)) -> Option<String> {
    match payload.downcast_ref::<&'static str>() {
        Some(text) => Some((*text).to_owned()),
        None => payload.downcast_ref::<String>().cloned(),
    }
}

fn no_text() -> String {
    "panicked with a payload that is no text".to_owned()
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
