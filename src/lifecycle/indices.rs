//! Where a connection is in the lists of its scopes.

use crate::sync::{AtomicU32, Ordering};

/// The index of a connection in its shard of each scope that it is a member of. The lock of
/// that shard guards it.
///
/// ORDERING: all Relaxed, because that lock orders them.
pub(super) struct Indices {
    /// That of its own scope, the innermost one.
    own: AtomicU32,
    /// Those of the scopes above, by their depth. A box of a slice would take two words of
    /// every connection.
    above: Option<Box<Above>>,
}

struct Above(Box<[AtomicU32]>);

impl Indices {
    /// Of a scope at `depth`, which has as many scopes above.
    pub(super) fn new(depth: usize) -> Self {
        let above = || Box::new(Above((0..depth).map(|_| AtomicU32::new(0)).collect()));
        Self {
            own: AtomicU32::new(0),
            above: (depth > 0).then(above),
        }
    }

    fn at(&self, depth: usize) -> &AtomicU32 {
        let above = self.above.as_ref();
        let above = above.and_then(|above| above.0.get(depth));
        above.unwrap_or(&self.own)
    }

    pub(super) fn get(&self, depth: usize) -> usize {
        self.at(depth).load(Ordering::Relaxed) as usize
    }

    pub(super) fn set(&self, depth: usize, index: usize) {
        let index = u32::try_from(index).expect("memory for fewer connections than that");
        self.at(depth).store(index, Ordering::Relaxed);
    }
}
