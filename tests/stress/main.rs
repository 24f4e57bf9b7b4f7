//! Threads that meet under the same keys, as often as they can in a bounded number of
//! rounds: what must never be seen is looked for all the while, and what must be left
//! in the end, nothing, is looked at when they are done.
//!
//! Which thread comes first is left to the machine. Every order of the small cases is
//! in `tests/loom`.

mod churn;
mod clock;
mod ledger;
mod lookups;
mod random;
mod seam;
mod switch_over;
mod take_over;
mod window;
mod witness;

use std::future::poll_fn;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread::{self, ScopedJoinHandle};

use hangup::Conflict;

const THREADS: RangeInclusive<usize> = 2..=8;

const MAX_PER_KEY: usize = 2;

const POLICIES: [Conflict; 3] = [
    Conflict::Replace,
    Conflict::Reject,
    Conflict::share(MAX_PER_KEY),
];

/// A number of rounds: `long` if `HANGUP_LONG=1` is set.
fn rounds(usual: usize, long: usize) -> usize {
    let is_long = std::env::var_os("HANGUP_LONG").is_some_and(|value| value == "1");
    if is_long { long } else { usual }
}

/// One test at a time has all cores: of another it would only be in the way.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `look` for as long as one of the threads is running, once at least; also if
/// one of them panics.
fn while_running<T>(running: &[ScopedJoinHandle<'_, T>], look: impl Fn()) {
    loop {
        look();
        if running.iter().all(|thread| thread.is_finished()) {
            return;
        }
        thread::yield_now();
    }
}

/// How many may be live under a key at once.
fn most(conflict: Conflict) -> usize {
    match conflict {
        Conflict::Share { max_per_key } => max_per_key.get(),
        _ => 1,
    }
}

/// A step with an await in it, at which others may come in between.
async fn step() {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        thread::yield_now();
        Poll::Pending
    })
    .await;
}
