//! How long a node may act on what it has claimed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hangup::runtime::Runtime;

/// The lease of a session as its own node sees it.
///
/// It runs from the instant before the renewal was sent, so it ends before the engine's, which runs
/// from a later one; and it is shorter by a margin, for clocks that run at different speeds. No
/// wall clock is compared.
pub(crate) struct Lease {
    runtime: Arc<dyn Runtime>,
    base: Instant,
    /// In nanoseconds after `base`.
    until: AtomicU64,
    /// It does not come back.
    is_lost: AtomicBool,
}

impl Lease {
    pub(crate) fn new(runtime: Arc<dyn Runtime>, until: Instant) -> Self {
        let base = until;
        Self {
            runtime,
            base,
            until: AtomicU64::new(0),
            is_lost: AtomicBool::new(false),
        }
    }

    // ORDERING: Release here and Acquire in `until`, so that a gate that sees the later end sees
    // what was true of the session when it was renewed. `is_lost` is set once, and read by itself.
    pub(crate) fn renew(&self, until: Instant) {
        let until = until.saturating_duration_since(self.base).as_nanos();
        let until = u64::try_from(until).unwrap_or(u64::MAX);
        self.until.fetch_max(until, Ordering::Release);
    }

    pub(crate) fn until(&self) -> Instant {
        self.base + Duration::from_nanos(self.until.load(Ordering::Acquire))
    }

    pub(crate) fn lose(&self) {
        self.is_lost.store(true, Ordering::Release);
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    /// Whether what was claimed may be acted on now.
    pub(crate) fn is_valid(&self) -> bool {
        !self.is_lost() && self.runtime.now() < self.until()
    }

    /// How long it has lapsed; `None` if it has not.
    pub(crate) fn lapsed_for(&self) -> Option<Duration> {
        let now = self.runtime.now();
        let until = self.until();
        (now >= until).then(|| now - until)
    }
}
