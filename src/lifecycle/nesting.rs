//! An undo may end another connection, whose undo ends the next.
//!
//! The stack must not grow with the length of such a chain: up to a depth each connection is
//! unwound where it ends, and what is deeper, in a loop at the bottom.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

use super::Lifecycle;
use super::memberships::Memberships;

/// How many connections are unwound within each other. What each takes of the stack depends
/// on the user's undos.
const DEEPEST: usize = 64;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static HAS_DEFERRED: Cell<bool> = const { Cell::new(false) };
    static DEFERRED: RefCell<VecDeque<Arc<Lifecycle>>> = const { RefCell::new(VecDeque::new()) };
}

/// What a batch got of a connection.
pub(super) enum Taken {
    /// Its places: all that is left to do is to give them back, and to settle.
    Places,
    /// Nothing: there is more to [unwind](Lifecycle::unwind).
    NotAlone,
    /// Nothing: it is unwound where the chain of undos has begun.
    Later,
}

impl Lifecycle {
    /// [Unwinds](Self::unwind_now), here, or where the chain of undos that this is the end of
    /// has begun.
    #[inline(never)]
    pub(super) fn unwind(&self) {
        let _: Option<()> = self.nested(Self::unwind_now);
    }

    /// [`take_places`](Self::take_places), likewise.
    pub(super) fn take_places_nested(&self, places: &mut Memberships) -> Taken {
        match self.nested(|this| this.take_places(places)) {
            Some(true) => Taken::Places,
            Some(false) => Taken::NotAlone,
            None => Taken::Later,
        }
    }

    /// `None` if the connection is unwound later.
    #[inline]
    fn nested<T>(&self, unwind: impl FnOnce(&Self) -> T) -> Option<T> {
        if cfg!(hangup_loom) {
            // A model runs its threads on one thread, which has one depth.
            return Some(unwind(self));
        }
        let depth = DEPTH.get();
        if depth == DEEPEST && self.defer() {
            return None;
        }
        Some(one_deeper(depth, || unwind(self)))
    }

    /// `false` if this thread is ending and its list is gone.
    #[cold]
    fn defer(&self) -> bool {
        let this = self.group.share(self);
        let deferred = DEFERRED.try_with(|deferred| deferred.borrow_mut().push_back(this));
        if deferred.is_ok() {
            HAS_DEFERRED.set(true);
        }
        deferred.is_ok()
    }
}

/// Gives back places of connections whose undo was at this depth.
pub(super) fn give_back_places(give_back: impl FnOnce()) {
    if cfg!(hangup_loom) {
        return give_back();
    }
    one_deeper(DEPTH.get(), give_back);
}

#[inline]
fn one_deeper<T>(depth: usize, f: impl FnOnce() -> T) -> T {
    let nested = Nested::new(depth);
    let done = f();
    drop(nested);
    if depth == 0 && HAS_DEFERRED.get() {
        unwind_deferred();
    }
    done
}

#[cold]
fn unwind_deferred() {
    // So that none of them looks for what is deferred.
    let _nested = Nested::new(0);
    while let Some(next) = next_deferred() {
        next.unwind();
    }
}

fn next_deferred() -> Option<Arc<Lifecycle>> {
    let next = DEFERRED.try_with(|deferred| deferred.borrow_mut().pop_front());
    let next = next.ok().flatten();
    HAS_DEFERRED.set(next.is_some());
    next
}

struct Nested(usize);

impl Nested {
    fn new(depth: usize) -> Self {
        DEPTH.set(depth + 1);
        Self(depth)
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        DEPTH.set(self.0);
    }
}
