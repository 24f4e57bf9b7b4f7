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

/// What one poll of a source came to.
pub(crate) enum Turn<T> {
    /// It goes on.
    Item(T),
    /// This was all, and the connection closes for this reason.
    Last(T, CloseReason),
    /// There is nothing more.
    End,
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

    /// Polls the source, unless the connection has closed. `Err` when there is nothing
    /// more, and the source is gone.
    // Inlined, so that a ready item is not moved from one enum to the next.
    #[inline]
    pub(crate) fn poll<T>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<Turn<T>>,
    ) -> Poll<Result<T, Closed>> {
        let this = self.as_mut().project();
        let lifecycle = lifecycle(this.live);

        // The one load of a ready item. I4: a close that returned before this
        // poll began is seen here.
        if let Some(closed) = lifecycle.closed() {
            return self.ended(closed);
        }
        if this.watch.is_some() {
            return self.poll_watched(cx, poll);
        }
        match Polling::poll(lifecycle, this.source, |source| poll(source, cx)) {
            Poll::Ready(turn) => self.take(turn),
            Poll::Pending => {
                let closed = ready!(this.parking.poll_closed(lifecycle, cx));
                self.ended(closed)
            }
        }
    }

    fn poll_watched<T>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<Turn<T>>,
    ) -> Poll<Result<T, Closed>> {
        let this = self.as_mut().project();
        let lifecycle = lifecycle(this.live);
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
            Poll::Ready(turn) => {
                pulse.reader_expected();
                self.take(turn)
            }
            Poll::Pending => match lifecycle.closed() {
                None => Poll::Pending,
                Some(closed) => self.ended(closed),
            },
        }
    }

    #[inline]
    fn take<T>(self: Pin<&mut Self>, turn: Turn<T>) -> Poll<Result<T, Closed>> {
        match turn {
            Turn::Item(item) => Poll::Ready(Ok(item)),
            Turn::Last(item, reason) => self.last(Some(item), reason),
            Turn::End => self.last(None, CloseReason::Completed),
        }
    }

    /// The source has ended.
    fn last<T>(
        self: Pin<&mut Self>,
        item: Option<T>,
        reason: CloseReason,
    ) -> Poll<Result<T, Closed>> {
        let mut this = self.project();
        let lifecycle = lifecycle(this.live);
        // Whoever closed it during this last poll had a reason, and what came of the
        // poll is there all the same.
        let ended = lifecycle.begin_close(reason);
        // Newest first: before the undo, if that is ours to run.
        this.source.set(None);
        drop(ended);
        let closed = || lifecycle.closed().expect("just closed, or before");
        Poll::Ready(item.ok_or_else(closed))
    }

    /// The connection has closed.
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
