//! A stream that ends with its connection, and a connection that ends with its
//! stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::FusedStream;
use pin_project_lite::pin_project;

use crate::handle::Handle;
use crate::live::Live;
use crate::owner::{Parking, Polling};
use crate::state::{CloseReason, Closed};

type Farewell<T> = Box<dyn FnOnce(Closed) -> Option<T> + Send>;

pin_project! {
    /// A stream that owns a live connection. Made by [`Live::stream`].
    ///
    /// - When the inner stream ends, the connection closes `Completed`.
    /// - When the connection is closed from anywhere, the task is woken, the
    ///   inner stream is dropped and this stream ends, however quiet the inner
    ///   stream is.
    /// - When this stream is dropped, because the client is gone, the connection
    ///   closes `Dropped`.
    /// - When the inner stream panics, the connection closes `Failed`.
    ///
    /// No item is yielded by a poll that began after a close returned, except one
    /// [`farewell`](Self::farewell). Items that the inner stream still had are
    /// dropped with it.
    ///
    /// A ready item costs one atomic load on top of the inner stream.
    ///
    /// # Cancel safety
    ///
    /// `next()` on this stream is as cancel safe as on the inner one: a poll that
    /// returns `Pending` has taken nothing.
    #[must_use = "streams do nothing unless polled"]
    pub struct LiveStream<S: Stream> {
        live: Live,
        // Dropped as soon as the connection has closed.
        #[pin]
        source: Option<S>,
        farewell: Option<Farewell<S::Item>>,
        parking: Parking,
    }

    impl<S: Stream> PinnedDrop for LiveStream<S> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // Newest first: the source goes after the close and before the undo.
            let unwind = this.live.lifecycle().begin_release(CloseReason::Dropped);
            this.source.set(None);
            drop(unwind);
        }
    }
}

impl<S: Stream> LiveStream<S> {
    pub(crate) fn new(live: Live, source: S) -> Self {
        Self {
            live,
            source: Some(source),
            farewell: None,
            parking: Parking::default(),
        }
    }

    /// Yields one last item after the close, if `last` returns one.
    ///
    /// It is told how the connection closed, `Completed` included, and is not
    /// called when the stream is dropped: there is nobody to say it to.
    /// Calling this again replaces the farewell.
    ///
    /// # Examples
    ///
    /// ```
    /// # use futures::{StreamExt, executor::block_on, stream};
    /// use hangup::{CloseReason, Scope};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let live = Scope::new().open()?.register()?.go_live()?;
    /// let handle = live.handle();
    /// let mut events = live
    ///     .stream(stream::pending())
    ///     .farewell(|closed| Some(format!("bye: {}", closed.reason)));
    ///
    /// handle.close(CloseReason::Shutdown)?;
    /// assert_eq!(block_on(events.next()).unwrap(), "bye: shutdown");
    /// assert_eq!(block_on(events.next()), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn farewell<F>(mut self, last: F) -> Self
    where
        F: FnOnce(Closed) -> Option<S::Item> + Send + 'static,
    {
        self.farewell = Some(Box::new(last));
        self
    }

    /// A handle to the connection.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.live.handle()
    }
}

impl<S: Stream> Stream for LiveStream<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        let lifecycle = this.live.lifecycle();

        // The one load of a ready item. I4: a close that returned before this
        // poll began is seen here.
        let closed = match (lifecycle.closed(), this.source.is_some()) {
            (None, true) => {
                let source = this.source.as_mut();
                let polled = Polling::poll(lifecycle, source, |source| source.poll_next(cx));
                match polled {
                    Poll::Ready(Some(item)) => return Poll::Ready(Some(item)),
                    Poll::Ready(None) => {
                        let ended = lifecycle.begin_close(CloseReason::Completed);
                        // Newest first: before the undo, if that is ours to run.
                        this.source.set(None);
                        drop(ended);
                        lifecycle.closed().expect("just closed, or before")
                    }
                    Poll::Pending => ready!(this.parking.poll_closed(lifecycle, cx)),
                }
            }
            (Some(closed), _) => closed,
            (None, false) => unreachable!("the source goes only after the close"),
        };
        this.source.set(None);
        let farewell = this.farewell.take();
        Poll::Ready(farewell.and_then(|last| last(closed)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // It may end at any time, and then say one thing more.
        let source = self.source.as_ref().map_or((0, Some(0)), S::size_hint);
        let last = usize::from(self.farewell.is_some());
        (0, source.1.and_then(|upper| upper.checked_add(last)))
    }
}

impl<S: Stream> FusedStream for LiveStream<S> {
    fn is_terminated(&self) -> bool {
        self.source.is_none() && self.farewell.is_none()
    }
}

impl<S: Stream> fmt::Debug for LiveStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveStream")
            .field("live", &self.live)
            .field("farewell", &self.farewell.is_some())
            .finish_non_exhaustive()
    }
}
