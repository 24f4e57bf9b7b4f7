//! All connections of a scope, from `open` until they have settled.

use std::sync::Arc;

use super::stats::Totals;
use crate::lifecycle::Lifecycle;
use crate::shrink;

/// One shard of a scope. Each connection knows its index, so that it leaves
/// without a search.
#[derive(Default)]
pub(super) struct Members {
    unsettled: Vec<Arc<Lifecycle>>,
    pub(super) totals: Totals,
}

impl Members {
    #[inline]
    pub(super) fn insert(&mut self, lifecycle: Arc<Lifecycle>) {
        lifecycle.set_index(self.unsettled.len());
        self.unsettled.push(lifecycle);
    }

    #[inline]
    pub(super) fn remove(&mut self, lifecycle: &Lifecycle) -> Arc<Lifecycle> {
        let index = lifecycle.index();
        let removed = self.unsettled.swap_remove(index);
        debug_assert!(std::ptr::eq(&raw const *removed, lifecycle));
        if let Some(moved) = self.unsettled.get(index) {
            moved.set_index(index);
        }
        if let Some(target) = shrink::target(self.unsettled.len(), self.unsettled.capacity()) {
            self.unsettled.shrink_to(target);
        }
        removed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unsettled.is_empty()
    }

    /// Puts as many as there is room for into `few`, those that are the last before
    /// `end`, and returns where they begin.
    pub(super) fn take_before(&self, end: usize, few: &mut Vec<Arc<Lifecycle>>) -> usize {
        let end = end.min(self.unsettled.len());
        let begin = end.saturating_sub(few.capacity());
        few.extend_from_slice(&self.unsettled[begin..end]);
        begin
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Arc<Lifecycle>> {
        self.unsettled.iter()
    }
}
