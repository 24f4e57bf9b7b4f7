//! Synchronization: the std / loom switch, and what is built on it alone.
//!
//! `Arc` stays std's under loom: its counts guard no data of ours.

pub(crate) mod baton;
pub(crate) mod shards;
pub(crate) mod waiters;

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

/// Locks `mutex`, poisoned or not: no user code runs under these locks (I8), so a panic
/// leaves nothing half done there.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
