//! One life of a node in the engine.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use hangup::runtime::Runtime;

use crate::lease::Lease;
use crate::record::SessionId;
use crate::signal::Signal;

/// One life of a node in the engine: claims name it, and it alone is renewed.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) lease: Lease,
    /// For the task that reads its inbox.
    pub(super) ended: Signal,
    /// Until then the engine may know nothing of owners that still act, since it has just begun, or
    /// has forgotten everything.
    young_until: OnceLock<Instant>,
}

impl Session {
    pub(super) fn new(runtime: Arc<dyn Runtime>) -> Self {
        let now = runtime.now();
        Self {
            id: SessionId::random(),
            lease: Lease::new(runtime, now),
            ended: Signal::default(),
            young_until: OnceLock::new(),
        }
    }

    pub(super) fn set_young_until(&self, instant: Instant) {
        // Set once, before anything is claimed.
        let _: Result<(), Instant> = self.young_until.set(instant);
    }

    /// Whether a key that is free in the engine may have an owner all the same.
    pub(super) fn is_young(&self, now: Instant) -> bool {
        self.young_until.get().is_some_and(|until| now < *until)
    }

    pub(super) fn renew(&self, until: Instant) {
        self.lease.renew(until);
    }

    /// It is over, and another one may own what it owned.
    pub(super) fn end(&self) {
        self.lease.lose();
        self.ended.set();
    }
}
