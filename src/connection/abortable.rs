//! A stream, a body or a loop that ends with its live connection, and ends it.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::Live;
use super::flush::Flush;
use crate::lifecycle::{FailOnPanic, Lifecycle, WakerSlot};
use crate::state::{CloseReason, Closed};

pin_project! {
    /// A live connection, and its source.
    pub(crate) struct Abortable<S> {
        live: Live,
        // Dropped as soon as the connection has closed.
        #[pin]
        source: Option<S>,
        slot: WakerSlot,
        // In a box, since an idle stream is kept for long.
        rare: Option<Box<Rare>>,
    }

    impl<S> PinnedDrop for Abortable<S> {
        fn drop(this: Pin<&mut Self>) {
            this.release(CloseReason::Dropped);
        }
    }
}

/// What few streams have.
#[derive(Default)]
struct Rare {
    flush: Flush,
    /// The waker for the source if a stall deadline watches its reader: it wakes the reader
    /// through the lifecycle.
    watched: Option<Waker>,
}

impl<S> Abortable<S> {
    fn new(live: Live, source: S) -> Self {
        // A step that was forgotten has left the duty to unwind to this owner, who may not be
        // polled for long.
        live.lifecycle().disown_forgotten();
        Self {
            live,
            source: Some(source),
            slot: WakerSlot::default(),
            rare: None,
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
        if watched.is_some() {
            this.rare().watched = watched;
        }
        this
    }

    /// The same connection with another source, which `map` makes of this one. The caller drops
    /// this one before it [completes](Handover::complete) the hand-over.
    pub(crate) fn map_source<T>(&mut self, map: impl FnOnce(S) -> T) -> Handover<T> {
        // If `map` panics, the connection fails.
        let failing = FailUnlessMapped(self.live.lifecycle());
        let source = self.source.take().map(map);
        std::mem::forget(failing);
        Handover(Abortable {
            live: self.live.hand_on(),
            source,
            slot: std::mem::take(&mut self.slot),
            rare: self.rare.take(),
        })
    }

    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    pub(crate) fn source(&self) -> Option<&S> {
        self.source.as_ref()
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(crate) fn set_flush(&mut self, flush: Flush) {
        self.rare().flush = flush;
    }

    /// Whether the source may be polled after a close.
    #[cfg(feature = "http-body")]
    pub(crate) fn flushes(&self) -> bool {
        self.source.is_some() && self.rare.as_ref().is_some_and(|rare| rare.flush.is_on())
    }

    /// Polls the source, unless the connection has closed: then drops the source, after what
    /// is to be flushed, and returns `Err`.
    #[cfg(feature = "http-body")]
    pub(crate) fn poll<T>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(Pin<&mut S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Closed>> {
        match self.as_mut().poll_source(|source| poll(source, cx)) {
            Some(Poll::Ready(polled)) => Poll::Ready(Ok(polled)),
            Some(Poll::Pending) => {
                if self.as_mut().poll_closed(cx).is_pending() {
                    return Poll::Pending;
                }
                self.poll_closed_or_watched(cx, poll)
            }
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
        let lifecycle = this.live.lifecycle();
        // I4: a close that returned before this poll began is seen here.
        let plainly_open = lifecycle.is_plainly_open();
        plainly_open.then(|| FailOnPanic::poll(lifecycle, this.source, poll))
    }

    /// After the source was pending. `Ready` if the connection has closed: then
    /// [`poll_closed_or_watched`](Self::poll_closed_or_watched) goes on.
    pub(crate) fn poll_closed(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<()> {
        let this = self.project();
        this.slot.poll_closed(this.live.lifecycle(), cx).map(drop)
    }

    /// After the fast path was refused.
    #[cold]
    pub(crate) fn poll_closed_or_watched<T>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(Pin<&mut S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Closed>> {
        if self.live().lifecycle().closed().is_none() {
            // `None` if it closed while the source was polled.
            if let Some(polled) = self.as_mut().poll_watched(cx, &mut poll) {
                return polled.map(Ok);
            }
        }
        self.poll_flush(cx, poll)
    }

    /// The connection has closed: polls the source as long as it is to be flushed, then drops
    /// it.
    fn poll_flush<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Closed>> {
        let mut this = self.project();
        let lifecycle = this.live.lifecycle();
        let closed = lifecycle.closed().expect("it has closed");
        let rare = this.rare.as_mut().filter(|_| this.source.is_some());
        let mut flush = rare.map(|rare| &mut rare.flush);
        if let Some(flush) = flush.take_if(|flush| flush.goes_on(closed)) {
            let source = this.source.as_mut();
            if let Poll::Ready(polled) =
                FailOnPanic::poll(lifecycle, source, |source| poll(source, cx))
            {
                flush.yielded();
                return Poll::Ready(Ok(polled));
            }
            if flush.is_first_pending() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        this.source.set(None);
        Poll::Ready(Err(closed))
    }

    /// `None` if the connection closes during the poll.
    fn poll_watched<T>(
        self: Pin<&mut Self>,
        cx: &Context<'_>,
        mut poll: impl FnMut(Pin<&mut S>, &mut Context<'_>) -> Poll<T>,
    ) -> Option<Poll<T>> {
        let this = self.project();
        let lifecycle = this.live.lifecycle();
        let watched = this.rare.as_ref().and_then(|rare| rare.watched.as_ref());
        let (Some(watched), Some(timers)) = (watched, lifecycle.timers()) else {
            unreachable!("an open connection refuses the fast path only for a stall deadline");
        };
        // Before the source is polled, which wakes the reader through the lifecycle.
        if this.slot.poll_closed_watched(lifecycle, cx).is_ready() {
            return None;
        }
        timers.reader_came();
        let cx = &mut Context::from_waker(watched);
        match FailOnPanic::poll(lifecycle, this.source, |source| poll(source, cx)) {
            Poll::Ready(polled) => {
                timers.reader_expected();
                timers.yielded();
                Some(Poll::Ready(polled))
            }
            Poll::Pending => lifecycle.closed().is_none().then_some(Poll::Pending),
        }
    }

    /// The source has ended: closes for `reason` unless the connection has closed, and drops
    /// the source.
    #[cold]
    pub(crate) fn finish(self: Pin<&mut Self>, reason: CloseReason) -> Closed {
        let mut this = self.project();
        let lifecycle = this.live.lifecycle();
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
        // After the close and before the undo: the source is newer than the undos (I2).
        let unwind = this.live.lifecycle().begin_release(reason);
        this.source.set(None);
        drop(unwind);
    }
}

/// A connection that goes from one owner to another, since a value that implements `Drop` cannot
/// be moved out of: as long as both exist, the drop of either leaves the connection as it is.
#[must_use = "until it is complete, the connection has no owner"]
pub(crate) struct Handover<S>(Abortable<S>);

impl<S> Handover<S> {
    /// The owner before this one is gone.
    pub(crate) fn complete(self) -> Abortable<S> {
        self.0.live.end_hand_over();
        self.0
    }
}

/// Fails the connection when it is dropped: after `map` has dropped the source, and before
/// the owner is dropped.
struct FailUnlessMapped<'a>(&'a Lifecycle);

impl Drop for FailUnlessMapped<'_> {
    fn drop(&mut self) {
        drop(self.0.begin_close(CloseReason::Failed));
    }
}

impl<S> fmt::Debug for Abortable<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.live.fmt(f)
    }
}
