//! How the owner sleeps until a close wakes it.

use std::panic::Location;
use std::task::{Context, Poll, Waker};

use super::Lifecycle;
use crate::state::Closed;

/// The waker that the owner has stored in its lifecycle, for a close to wake.
///
/// Keeping a copy here lets a poll from the same task skip the lock.
#[derive(Debug, Default)]
pub(crate) struct WakerSlot(Option<Waker>);

impl WakerSlot {
    /// `Ready` if the connection has closed; else a close will wake the task.
    #[inline]
    pub(crate) fn poll_closed(&mut self, lifecycle: &Lifecycle, cx: &Context<'_>) -> Poll<Closed> {
        self.register(lifecycle, cx, None, |_| ());
        // Read after the waker is stored, also if an earlier poll stored it: a close sets
        // the word first and takes the waker then.
        lifecycle.closed().map_or(Poll::Pending, Poll::Ready)
    }

    /// [`poll_closed`](Self::poll_closed) for a step that was begun at `place`.
    pub(crate) fn poll_closed_in_step(
        &mut self,
        lifecycle: &Lifecycle,
        cx: &Context<'_>,
        place: &'static Location<'static>,
    ) -> Poll<Closed> {
        self.register(lifecycle, cx, Some(place), |_| ());
        lifecycle.closed().map_or(Poll::Pending, Poll::Ready)
    }

    /// [`poll_closed`](Self::poll_closed), which also stores the waker for the source of a
    /// reader that a stall deadline watches.
    pub(crate) fn poll_closed_watched(
        &mut self,
        lifecycle: &Lifecycle,
        cx: &Context<'_>,
    ) -> Poll<Closed> {
        self.register(lifecycle, cx, None, |waker| {
            lifecycle.register_reader(waker.clone());
        });
        lifecycle.closed().map_or(Poll::Pending, Poll::Ready)
    }

    #[inline]
    fn register(
        &mut self,
        lifecycle: &Lifecycle,
        cx: &Context<'_>,
        step: Option<&'static Location<'static>>,
        also: impl FnOnce(&Waker),
    ) {
        let waker = cx.waker();
        if !self.0.as_ref().is_some_and(|left| left.will_wake(waker)) {
            self.store(lifecycle, waker, step, also);
        }
    }

    #[cold]
    fn store(
        &mut self,
        lifecycle: &Lifecycle,
        waker: &Waker,
        step: Option<&'static Location<'static>>,
        also: impl FnOnce(&Waker),
    ) {
        lifecycle.register_owner(waker.clone(), step);
        also(waker);
        self.0 = Some(waker.clone());
    }
}
