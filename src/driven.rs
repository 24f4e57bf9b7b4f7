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
    // Inlined, so that a ready item is not moved from one enum to the next.
    #[inline]
    pub(crate) fn poll<T>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Closed>> {
        let this = self.as_mut().project();
        let lifecycle = lifecycle(this.live);

        // I4: a close that returned before this poll began is seen here.
        if this.watch.is_some() || lifecycle.is_closed() {
            return self.poll_closed_or_watched(cx, poll);
        }
        match Polling::poll(lifecycle, this.source, |source| poll(source, cx)) {
            Poll::Ready(polled) => Poll::Ready(Ok(polled)),
            Poll::Pending => {
                let closed = ready!(this.parking.poll_closed(lifecycle, cx));
                self.ended(closed)
            }
        }
    }

    /// What few polls come to.
    #[cold]
    fn poll_closed_or_watched<T>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Closed>> {
        let this = self.as_mut().project();
        let lifecycle = lifecycle(this.live);
        if let Some(closed) = lifecycle.closed() {
            return self.ended(closed);
        }
        let (Some(watch), Some(pulse)) = (this.watch, lifecycle.pulse()) else {
            unreachable!("it is watched");
        };
        // First of all: the source wakes the reader through the lifecycle.
        if let Poll::Ready(closed) = this.parking.poll_read(lifecycle, cx) {
            return self.ended(closed);
        }
        pulse.reader_came();
        let cx = &mut Context::from_waker(watch);
        match Polling::poll(lifecycle, this.source, |source| poll(source, cx)) {
            Poll::Ready(polled) => {
                pulse.reader_expected();
                Poll::Ready(Ok(polled))
            }
            Poll::Pending => match lifecycle.closed() {
                None => Poll::Pending,
                Some(closed) => self.ended(closed),
            },
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

    /// The connection has closed.
    #[cold]
    fn ended<T>(self: Pin<&mut Self>, closed: Closed) -> Poll<Result<T, Closed>> {
        self.project().source.set(None);
        Poll::Ready(Err(closed))
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
