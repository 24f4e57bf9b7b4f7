//! A value that knows when a lookup may find it.

use std::sync::Arc;

use crate::clock::{Clock, Moment};

#[derive(Debug)]
pub(crate) struct Witness {
    clock: Arc<Clock>,
    pub(crate) key: usize,
    may_be_live: Moment,
    is_gone: Moment,
}

impl Witness {
    pub(crate) fn new(clock: &Arc<Clock>, key: usize) -> Arc<Self> {
        Arc::new(Self {
            clock: Arc::clone(clock),
            key,
            may_be_live: Moment::default(),
            is_gone: Moment::default(),
        })
    }

    /// To be called before `go_live` is.
    pub(crate) fn may_be_live(&self) {
        self.may_be_live.is_now(&self.clock);
    }

    /// To be called when the connection has closed: after a close has returned, or by
    /// an undo.
    pub(crate) fn is_gone(&self) {
        self.is_gone.is_now(&self.clock);
    }

    /// It was found by a lookup that began then, and has just ended.
    pub(crate) fn was_found(&self, began: u64) {
        let ended = self.clock.now();
        assert!(
            self.may_be_live.is_before(ended),
            "found before it was live"
        );
        assert!(!self.is_gone.is_before(began), "found after it had closed");
    }
}
