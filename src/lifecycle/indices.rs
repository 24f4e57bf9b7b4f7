//! Where a connection is in the lists of its scopes.

use crate::sync::{AtomicU32, Ordering};

/// The index of a connection in its shard of a scope. The lock of that shard guards it.
///
/// ORDERING: all Relaxed, because that lock orders them.
pub(super) struct Index(AtomicU32);

impl Index {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    #[inline]
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed) as usize
    }

    #[inline]
    pub(super) fn set(&self, index: usize) {
        let index = u32::try_from(index).expect("memory for fewer connections than that");
        self.0.store(index, Ordering::Relaxed);
    }
}

/// The indices of a connection in the scopes above its own, by their depth. A box of a slice
/// would take two words.
pub(super) struct IndicesAbove(Option<Box<Above>>);

struct Above(Box<[Index]>);

impl IndicesAbove {
    /// Of a scope at `depth`, which has as many scopes above.
    pub(super) fn new(depth: usize) -> Self {
        let above = || Box::new(Above((0..depth).map(|_| Index::new()).collect()));
        Self((depth > 0).then(above))
    }

    /// `None` in the connection's own scope, the innermost one.
    #[inline]
    pub(super) fn at(&self, depth: usize) -> Option<&Index> {
        self.0.as_ref()?.0.get(depth)
    }
}
