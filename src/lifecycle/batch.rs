//! Closing many connections of one shard of a scope.

use std::ptr;
use std::sync::Arc;

use super::Lifecycle;
use super::group::Group;
use super::word::OnClose;
use crate::state::{CloseReason, Closed};

/// Connections that are closed and unwound, to be [settled](Self::settle) under one lock; also
/// when it is dropped, so that a panic loses none of them.
///
/// Those with something to undo settle where they are unwound, as each does by itself, and so do
/// those of scopes below.
pub(crate) struct Batch<'a> {
    group: &'a Group<Lifecycle>,
    unwound: Vec<(Arc<Lifecycle>, Closed)>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(group: &'a Group<Lifecycle>) -> Self {
        Self {
            group,
            unwound: Vec::new(),
        }
    }

    /// Closes one more of the shard. `Ok` if this call closed it.
    pub(crate) fn close(
        &mut self,
        lifecycle: Arc<Lifecycle>,
        reason: CloseReason,
    ) -> Result<(), Closed> {
        if !ptr::eq(&raw const **lifecycle.group(), self.group) {
            return lifecycle.close(reason);
        }
        let duty = lifecycle.begin_to_close(reason)?;
        let is_unwound = match duty {
            OnClose::Unwind { has_parts: true } => lifecycle.leave_nested(),
            OnClose::Unwind { has_parts: false } => true,
            OnClose::LeaveToOwner => {
                lifecycle.discharge(duty);
                false
            }
        };
        if is_unwound {
            let closed = lifecycle.word().load().how_it_closed();
            if let Some(events) = lifecycle.events() {
                lifecycle.tell_settled(events, closed);
            }
            self.unwound.push((lifecycle, closed));
        }
        Ok(())
    }
}

impl Batch<'_> {
    /// Keeps its memory for the next ones.
    pub(crate) fn settle(&mut self) {
        self.group
            .settle_each(&self.unwound, Lifecycle::wake_settled);
        self.unwound.clear();
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.settle();
    }
}
