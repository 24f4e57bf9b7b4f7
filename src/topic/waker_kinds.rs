//! Which waker is in a slot, in nine bytes, to compare with no lock.

use std::sync::OnceLock;
use std::task::{RawWakerVTable, Waker};

/// The kinds of wakers that a topic has met: mostly one, that of its runtime.
///
/// A waker is its data and its kind. As long as one is kept in a slot, its data is its own, so no
/// other waker of this kind has the same.
#[derive(Default)]
pub(super) struct WakerKinds([OnceLock<&'static RawWakerVTable>; 4]);

/// A place in the list.
#[derive(Clone, Copy)]
pub(super) struct WakerKind(u8);

impl WakerKind {
    /// There are more kinds than places. A subscriber with such a waker replaces it in each poll
    /// that is pending, which is slower, and as right.
    pub(super) const UNLISTED: Self = Self(u8::MAX);
}

impl WakerKinds {
    /// The data of a waker, and its kind.
    pub(super) fn identify(&self, waker: &Waker) -> (usize, WakerKind) {
        let vtable = waker.vtable();
        let is_kind = |kind: &OnceLock<_>| std::ptr::eq(*kind.get_or_init(|| vtable), vtable);
        let kind = self.0.iter().position(is_kind);
        let kind = kind.and_then(|kind| u8::try_from(kind).ok()).map(WakerKind);
        (waker.data().addr(), kind.unwrap_or(WakerKind::UNLISTED))
    }

    /// Whether `waker` is the one of this data and this kind.
    #[inline]
    pub(super) fn is(&self, waker: &Waker, data: usize, WakerKind(kind): WakerKind) -> bool {
        let kind = self.0.get(usize::from(kind)).and_then(OnceLock::get);
        data == waker.data().addr() && kind.is_some_and(|kind| std::ptr::eq(*kind, waker.vtable()))
    }
}
