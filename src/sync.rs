//! The std / loom switch, and nothing else.
//!
//! `Arc` stays std's under loom: its counts guard no data of ours.

#[cfg(hangup_loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, Ordering},
};
#[cfg(not(hangup_loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, Ordering},
};

use std::sync::PoisonError;

/// Locks, poisoned or not: no user code runs under our locks (I8), so what a
/// panic interrupted was never ours to leave half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
