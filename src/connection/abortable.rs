//! A stream, a body or a loop that ends with its live connection, and ends it.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;

use super::Live;
use crate::lifecycle::{FailOnPanic, Lifecycle, WakerSlot};
use crate::state::{CloseReason, Closed};

pin_project! {
    /// A live connection, and its source.
    pub(crate) struct Abortable<S> {
        // `None` after `map_source`, which moves the connection on.
        live: Option<Live>,
        // Dropped as soon as the connection has closed.
        #[pin]
        source: Option<S>,
        slot: WakerSlot,
        // The waker for the source if a stall deadline watches its reader: it wakes the reader
        // through the lifecycle.
        watched: Option<Waker>,
    }

    impl<S> PinnedDrop for Abortable<S> {
        fn drop(this: Pin<&mut Self>) {
            this.release(CloseReason::Dropped);
        }
    }
}

impl<S> Abortable<S> {
    pub(crate) fn new(live: Live, source: S) -> Self {
        Self {
            live: Some(live),
            source: Some(source),
            slot: WakerSlot::default(),
            watched: None,
        }
    }

    /// For a source whose items and whose reader a deadline may watch.
    pub(crate) fn new_watched(live: Live, source: S) -> Self {
        let watched = live.lifecycle().stream_timers().map(|timers| {
            // The first poll is expected from now on.
            timers.reader_expected();
            timers.yielded();
            live.lifecycle().set_stall_watch();
            Waker::from(live.share())
        });
        let mut this = Self::new(live, source);
        this.watched = watched;
        this
    }

    /// The same connection with another source, which `map` makes of this one.
    pub(crate) fn map_source<T>(&mut self, map: impl FnOnce(S) -> T) -> Abortable<T> {
        // `self.live` stays until `map` has returned: if `map` panics, the connection is
        // dropped with `self`.
        let source = self.source.take().map(map);
        Abortable {
            live: self.live.take(),
            source,
            slot: std::mem::take(&mut self.slot),
            watched: self.watched.take(),
        }
    }

    pub(crate) fn live(&self) -> &Live {
        self.live.as_ref().expect("it was moved out by value")
    }

    pub(crate) fn source(&self) -> Option<&S> {
        self.source.as_ref()
    }

    /// Polls the source, unless the connection has closed: then drops the source and returns
    /// `Err`.
    pub(crate) fn poll<T>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(Pin<&mut S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Closed>> {
        match self.as_mut().poll_source(|source| poll(source, cx)) {
            Some(Poll::Ready(polled)) => Poll::Ready(Ok(polled)),
            Some(Poll::Pending) => self.poll_closed(cx).map(Err),
            None => self.poll_closed_or_watched(cx, poll),
        }
    }

    // The parts of `poll`, for callers that inline only the first: it is all that a ready
    // item costs.

    /// The fast path: polls the source if the connection is open and no stall deadline
    /// watches its reader.
    #[inline]
    pub(crate) fn poll_source<R>(
        self: Pin<&mut Self>,
        poll: impl FnOnce(Pin<&mut S>) -> R,
    ) -> Option<R> {
        let this = self.project();
        let lifecycle = lifecycle(this.live);
        // I4: a close that returned before this poll began is seen here.
        let plainly_open = lifecycle.is_plainly_open();
        plainly_open.then(|| FailOnPanic::poll(lifecycle, this.source, poll))
    }

    /// After the source was pending.
    pub(crate) fn poll_closed(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<Closed> {
        let mut this = self.project();
        let closed = ready!(this.slot.poll_closed(lifecycle(this.live), cx));
        this.source.set(None);
        Poll::Ready(closed)
    }

    /// After the fast path was refused.
    #[cold]
    pub(crate) fn poll_closed_or_watched<T>(
        mut self: Pin<&mut Self>,
        cx: &Context<'_>,
        poll: impl FnMut(Pin<&mut S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Closed>> {
        let polled = match self.live().lifecycle().closed() {
            None => self.as_mut().poll_watched(cx, poll),
            Some(closed) => Poll::Ready(Err(closed)),
        };
        if let Poll::Ready(Err(_)) = polled {
            self.project().source.set(None);
        }
        polled
    }

    fn poll_watched<T>(
        self: Pin<&mut Self>,
        cx: &Context<'_>,
        mut poll: impl FnMut(Pin<&mut S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Closed>> {
        let this = self.project();
        let lifecycle = lifecycle(this.live);
        let (Some(watched), Some(timers)) = (this.watched, lifecycle.timers()) else {
            unreachable!("an open connection refuses the fast path only for a stall deadline");
        };
        // Before the source is polled, which wakes the reader through the lifecycle.
        if let Poll::Ready(closed) = this.slot.poll_closed_watched(lifecycle, cx) {
            return Poll::Ready(Err(closed));
        }
        timers.reader_came();
        let cx = &mut Context::from_waker(watched);
        match FailOnPanic::poll(lifecycle, this.source, |source| poll(source, cx)) {
            Poll::Ready(polled) => {
                timers.reader_expected();
                timers.yielded();
                Poll::Ready(Ok(polled))
            }
            Poll::Pending => lifecycle
                .closed()
                .map_or(Poll::Pending, |closed| Poll::Ready(Err(closed))),
        }
    }

    /// The source has ended: closes for `reason` unless the connection has closed, and drops
    /// the source.
    #[cold]
    pub(crate) fn finish(self: Pin<&mut Self>, reason: CloseReason) -> Closed {
        let mut this = self.project();
        let lifecycle = lifecycle(this.live);
        // `Err` if another close won during this last poll.
        let unwind = lifecycle.begin_close(reason);
        // The source is newer than the undos (I2).
        this.source.set(None);
        drop(unwind);
        lifecycle.closed().expect("closed just now, or before")
    }

    /// The owner is going: closes for `reason` unless the connection has closed, and drops
    /// the source.
    pub(crate) fn release(self: Pin<&mut Self>, reason: CloseReason) {
        let mut this = self.project();
        if this.live.is_some() {
            // After the close and before the undo: the source is newer than the undos (I2).
            let unwind = lifecycle(this.live).begin_release(reason);
            this.source.set(None);
            drop(unwind);
        }
    }
}

#[inline]
fn lifecycle(live: &Option<Live>) -> &Lifecycle {
    live.as_ref()
        .expect("it was moved out by value")
        .lifecycle()
}

impl<S> fmt::Debug for Abortable<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.live.fmt(f)
    }
}
