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

#[cfg(not(hangup_loom))]
static NEXT: AtomicU64 = AtomicU64::new(1);
// Each execution of the model begins anew: the same one again has to do the same.
#[cfg(hangup_loom)]
loom::lazy_static! {
    static ref NEXT: std::sync::atomic::AtomicU64 = 1.into();
}

/// A number that was not there before in this process.
pub(crate) fn next_number() -> u64 {
    // ORDERING: Relaxed, because the number is only compared.
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
