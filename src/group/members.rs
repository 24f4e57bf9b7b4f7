//! All connections of a scope, from `open` until they have settled.

use std::sync::Arc;

use super::Member;
use super::stats::Totals;
use crate::shrink;

/// One shard of a scope. Each connection knows its index, so that it leaves
/// without a search.
pub(crate) struct Members<M> {
    unsettled: Vec<Arc<M>>,
    pub(crate) totals: Totals,
}

impl<M> Default for Members<M> {
    fn default() -> Self {
        Self {
            unsettled: Vec::new(),
            totals: Totals::default(),
        }
    }
}

impl<M: Member> Members<M> {
    #[inline]
    pub(crate) fn insert(&mut self, lifecycle: Arc<M>) {
        lifecycle.set_index(self.unsettled.len());
        self.unsettled.push(lifecycle);
    }

    #[inline]
    pub(crate) fn remove(&mut self, lifecycle: &M) -> Arc<M> {
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

    pub(crate) fn is_empty(&self) -> bool {
        self.unsettled.is_empty()
    }

    /// Puts as many as there is room for into `few`, those that are the last before
    /// `end`, and returns where they begin.
    pub(crate) fn take_before(&self, end: usize, few: &mut Vec<Arc<M>>) -> usize {
        let end = end.min(self.unsettled.len());
        let begin = end.saturating_sub(few.capacity());
        few.extend_from_slice(&self.unsettled[begin..end]);
        begin
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Arc<M>> {
        self.unsettled.iter()
    }
}
