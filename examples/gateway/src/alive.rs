//! How many of a thing there are: what `/stats` shows of timers and bridges.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts its guards.
#[derive(Clone, Default)]
pub(crate) struct Alive(Arc<AtomicUsize>);

/// Counts until it is dropped. Whatever holds it is alive.
pub(crate) struct Guard(Alive);

impl Alive {
    pub(crate) fn guard(&self) -> Guard {
        self.0.fetch_add(1, Ordering::Relaxed);
        Guard(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
