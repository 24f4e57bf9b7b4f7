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

use std::sync::PoisonError;

/// A number that was not there before in this process.
#[cfg(not(hangup_loom))]
pub(crate) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // ORDERING: Relaxed, because the number is only compared.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// In this execution of the model: the same one again has to do the same.
#[cfg(hangup_loom)]
pub(crate) fn next_number() -> u64 {
    loom::lazy_static! {
        static ref NEXT: std::sync::atomic::AtomicU64 = 1.into();
    }
    NEXT.fetch_add(1, Ordering::Relaxed)
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
