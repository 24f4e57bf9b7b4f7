//! The std / loom switch, and nothing else.
//!
//! `Arc` stays std's under loom: its counts guard no data of ours.

#[cfg(hangup_loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
};
#[cfg(not(hangup_loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

#[cfg(not(hangup_loom))]
use std::cell::Cell;
use std::sync::PoisonError;

/// Numbers for whatever wants to be told apart in this process, in blocks of so many, of
/// which each thread takes one at a time: so that threads do not meet here either. In a
/// model the fewest, so that one thread has several blocks.
pub(crate) const BLOCK: u64 = if cfg!(hangup_loom) { 1 } else { 64 };

#[cfg(not(hangup_loom))]
static NEXT: AtomicU64 = AtomicU64::new(BLOCK);
// Each execution of the model begins anew: the same one again has to do the same.
#[cfg(hangup_loom)]
loom::lazy_static! {
    static ref NEXT: std::sync::atomic::AtomicU64 = BLOCK.into();
}

fn next_block() -> u64 {
    // ORDERING: Relaxed, because the number is only compared.
    NEXT.fetch_add(BLOCK, Ordering::Relaxed)
}

/// A number that was not there before in this process. On one thread, each is greater
/// than those before it.
#[cfg(not(hangup_loom))]
pub(crate) fn next_number() -> u64 {
    thread_local! {
        static LATEST: Cell<u64> = const { Cell::new(BLOCK - 1) };
    }
    let next = match LATEST.get() + 1 {
        end if end % BLOCK == 0 => next_block(),
        next => next,
    };
    LATEST.set(next);
    next
}
#[cfg(hangup_loom)]
pub(crate) fn next_number() -> u64 {
    next_block()
}

/// What hashes keys: randomly keyed, since keys come from clients; but not in a
/// model.
#[cfg(not(hangup_loom))]
pub(crate) type Hasher = std::hash::RandomState;
#[cfg(hangup_loom)]
pub(crate) type Hasher = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// Locks, poisoned or not: no user code runs under our locks (I8), so what a
/// panic interrupted was never ours to leave half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
