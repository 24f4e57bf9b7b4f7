//! A test that may neither hang nor panic, in any thread.

use std::panic::{self, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

/// For what must happen soon: far more than it takes, far less than for ever.
const SOON: Duration = Duration::from_secs(20);

/// The names of the threads that have panicked, since tokio swallows what happens in tasks.
static PANICKED: Mutex<Vec<String>> = Mutex::new(Vec::new());
static HOOKED: Once = Once::new();
static TESTS: AtomicUsize = AtomicUsize::new(0);

/// Runs `test` on a thread of its own, outside of any runtime. Its workers are called as
/// this thread is.
pub(crate) fn bounded(test: impl FnOnce() + Send + 'static) {
    HOOKED.call_once(|| {
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICKED.lock().unwrap().push(name_of_test());
            tell(info);
        }));
    });
    let name = format!("bounded {}", TESTS.fetch_add(1, Ordering::Relaxed));
    let (done, wait) = channel();
    let thread = thread::Builder::new().name(name.clone()).spawn(move || {
        test();
        done.send(()).unwrap();
    });
    match wait.recv_timeout(SOON) {
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {
            if let Err(panic) = thread.unwrap().join() {
                resume_unwind(panic);
            }
        }
    }
    assert!(!PANICKED.lock().unwrap().contains(&name), "in a task");
}

pub(crate) fn name_of_test() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

/// Looks until `holds`.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON / 2;
    while !holds() {
        assert!(Instant::now() < deadline, "not {what}");
        thread::yield_now();
    }
}
