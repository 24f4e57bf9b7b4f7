//! One life of a node in the engine.

use std::sync::Arc;
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
}

impl Session {
    pub(super) fn new(runtime: Arc<dyn Runtime>) -> Self {
        let now = runtime.now();
        Self {
            id: SessionId::random(),
            lease: Lease::new(runtime, now),
            ended: Signal::default(),
        }
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
