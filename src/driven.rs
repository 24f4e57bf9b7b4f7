//! What a live connection drives: a stream, a body, a loop. Either ends the other.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;

use crate::lifecycle::Lifecycle;
use crate::live::Live;
use crate::owner::{Parking, Polling};
use crate::state::{CloseReason, Closed};

pin_project! {
    /// A live connection, and its source.
    pub(crate) struct Driven<S> {
        // `None` once it drives another source.
        live: Option<Live>,
        // Dropped as soon as the connection has closed.
        #[pin]
        source: Option<S>,
        parking: Parking,
        // What wakes the source's reader, if it is watched whether that comes.
        watch: Option<Waker>,
    }

    impl<S> PinnedDrop for Driven<S> {
        fn drop(this: Pin<&mut Self>) {
            this.end(CloseReason::Dropped);
        }
    }
}

impl<S> Driven<S> {
    pub(crate) fn new(live: Live, source: S) -> Self {
        Self {
            live: Some(live),
            source: Some(source),
            parking: Parking::default(),
            watch: None,
        }
    }

    /// Of a source that somebody reads, who may stop reading.
    pub(crate) fn read(live: Live, source: S) -> Self {
        let watch = live.lifecycle().watched_reader().map(|pulse| {
            // For the first time.
            pulse.reader_expected();
            live.lifecycle().watch();
            Waker::from(live.share())
        });
        let mut this = Self::new(live, source);
        this.watch = watch;
        this
    }

    /// The same connection, driving what `wrap` makes of its source.
    pub(crate) fn wrap<T>(&mut self, wrap: impl FnOnce(S) -> T) -> Driven<T> {
        // Here until `wrap` has returned: it is dropped with this if that panics.
        let source = self.source.take().map(wrap);
        Driven {
            live: self.live.take(),
            source,
            parking: std::mem::take(&mut self.parking),
            watch: self.watch.take(),
        }
    }

    pub(crate) fn live(&self) -> &Live {
        self.live.as_ref().expect("it was moved out by value")
    }

    pub(crate) fn source(&self) -> Option<&S> {
        self.source.as_ref()
    }

    /// Polls the source, unless the connection has closed. `Err` when it has, and the
    /// source is gone.
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

    // The parts of `poll`, for those to whom it matters that only the first is inlined: it
    // is all that an item costs that is ready.

    /// Polls the source, if there is nothing more to look at than whether it is open.
    #[inline]
    pub(crate) fn poll_source<R>(
        self: Pin<&mut Self>,
        poll: impl FnOnce(Pin<&mut S>) -> R,
    ) -> Option<R> {
        let this = self.project();
        let lifecycle = lifecycle(this.live);
        // I4: a close that returned before this poll began is seen here.
        let just_open = lifecycle.is_just_open();
        just_open.then(|| Polling::poll(lifecycle, this.source, poll))
    }

    /// When the source is pending.
    pub(crate) fn poll_closed(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<Closed> {
        let mut this = self.project();
        let closed = ready!(this.parking.poll_closed(lifecycle(this.live), cx));
        this.source.set(None);
        Poll::Ready(closed)
    }

    /// When there is more to look at.
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
        let (Some(watch), Some(pulse)) = (this.watch, lifecycle.pulse()) else {
            unreachable!("it is open, and there is more to it");
        };
        // First of all: the source wakes the reader through the lifecycle.
        if let Poll::Ready(closed) = this.parking.poll_read(lifecycle, cx) {
            return Poll::Ready(Err(closed));
        }
        pulse.reader_came();
        let cx = &mut Context::from_waker(watch);
        match Polling::poll(lifecycle, this.source, |source| poll(source, cx)) {
            Poll::Ready(polled) => {
                pulse.reader_expected();
                Poll::Ready(Ok(polled))
            }
            Poll::Pending => lifecycle
                .closed()
                .map_or(Poll::Pending, |closed| Poll::Ready(Err(closed))),
        }
    }

    /// The source has ended: closes for `reason`, if nobody has, and drops it.
    #[cold]
    pub(crate) fn last(self: Pin<&mut Self>, reason: CloseReason) -> Closed {
        let mut this = self.project();
        let lifecycle = lifecycle(this.live);
        // Whoever closed it during this last poll had a reason.
        let ended = lifecycle.begin_close(reason);
        // Newest first: before the undo, if that is ours to run.
        this.source.set(None);
        drop(ended);
        lifecycle.closed().expect("just closed, or before")
    }

    /// Closes for `reason`, if nobody has, and drops the source.
    pub(crate) fn end(self: Pin<&mut Self>, reason: CloseReason) {
        let mut this = self.project();
        if this.live.is_some() {
            // Newest first: the source goes after the close and before the undo.
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

impl<S> fmt::Debug for Driven<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.live.fmt(f)
    }
}
