//! The connections of a scope, each from `open` until it has settled.

use std::sync::Arc;

use super::Member;
use super::stats::Totals;
use crate::shrink;

/// The most members that are looked at under one lock (I10). In a model one, so that one
/// shard takes several looks.
const PORTION: usize = if cfg!(hangup_loom) { 1 } else { 256 };

/// One shard of a scope. Each member knows its index, so it is removed without a search.
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
    pub(crate) fn insert(&mut self, member: Arc<M>) {
        member.set_index(self.unsettled.len());
        self.unsettled.push(member);
    }

    #[inline]
    pub(crate) fn remove(&mut self, member: &M) -> Arc<M> {
        let index = member.index();
        let removed = self.unsettled.swap_remove(index);
        debug_assert!(std::ptr::eq(&raw const *removed, member));
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

    /// The members just before index `end`, and the index of the first of them: what is
    /// looked at under one lock (I10). A settled member is `swap_remove`d, which moves the
    /// last member into its index: to walk backwards from the end misses none, and may meet
    /// one twice.
    pub(crate) fn portion_before(&self, end: usize) -> (usize, &[Arc<M>]) {
        let end = end.min(self.unsettled.len());
        let begin = end.saturating_sub(PORTION);
        (begin, &self.unsettled[begin..end])
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Arc<M>> {
        self.unsettled.iter()
    }
}
