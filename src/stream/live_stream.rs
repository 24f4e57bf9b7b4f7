//! A stream that owns a live connection: each ends with the other.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::FusedStream;
use pin_project_lite::pin_project;

use crate::connection::{Abortable, Live};
use crate::lifecycle::Handle;
use crate::state::{CloseReason, Closed};

type Farewell<T> = Box<dyn FnOnce(Closed) -> Option<T> + Send>;

pin_project! {
    /// A stream that owns a live connection. Made by [`Live::stream`].
    ///
    /// - When the inner stream ends, the connection closes `Completed`.
    /// - When the connection is closed from anywhere, the task is woken; its next poll drops
    ///   the inner stream and ends this one, even if the inner stream is pending.
    /// - When this stream is dropped, because the client is gone, the connection closes
    ///   `Dropped`.
    /// - When the inner stream panics, the connection closes `Failed`.
    ///
    /// A poll that began after a close returned yields no item, except one
    /// [`farewell`](Self::farewell). The items that the inner stream still had are dropped
    /// with it.
    ///
    /// A ready item costs one atomic load on top of the inner stream, and two more stores
    /// under a [stall deadline](crate::Deadlines::stall).
    ///
    /// # Cancel safety
    ///
    /// `next()` on this stream is as cancel safe as on the inner one: a poll that
    /// returns `Pending` has taken nothing.
    #[must_use = "streams do nothing unless polled"]
    pub struct LiveStream<S: Stream> {
        #[pin]
        inner: Abortable<S>,
        farewell: Option<Farewell<S::Item>>,
    }
}

impl Live {
    /// Streams `source` on this connection: each ends with the other.
    pub fn stream<S: Stream>(self, source: S) -> LiveStream<S> {
        LiveStream::new(self, source)
    }
}

impl<S: Stream> LiveStream<S> {
    fn new(live: Live, source: S) -> Self {
        Self {
            inner: Abortable::new_watched(live, source),
            farewell: None,
        }
    }

    /// Yields one last item after the close, if `last` returns one.
    ///
    /// `last` is given how the connection closed, `Completed` included. It is not called when
    /// the stream is dropped, since no reader is left. To call this again replaces the
    /// farewell.
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

    /// Replaces the source with what `map` makes of it: for a combinator that has to end with
    /// the connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use futures::{StreamExt, executor::block_on, stream};
    /// # use hangup::Scope;
    /// # let live = Scope::new().open()?.register()?.go_live()?;
    /// let numbers = live.stream(stream::iter(1..)).map_inner(|source| source.take(3));
    /// assert_eq!(block_on(numbers.collect::<Vec<_>>()), [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_inner<T, F>(mut self, map: F) -> LiveStream<T>
    where
        T: Stream<Item = S::Item>,
        F: FnOnce(S) -> T,
    {
        LiveStream {
            inner: self.inner.map_source(map),
            farewell: self.farewell,
        }
    }

    /// A handle to the connection.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.inner.live().handle()
    }

    pub(super) fn live(&self) -> &Live {
        self.inner.live()
    }

    #[cold]
    fn completed(self: Pin<&mut Self>) -> Option<S::Item> {
        let this = self.project();
        let closed = this.inner.finish(CloseReason::Completed);
        say(this.farewell, closed)
    }

    #[inline(never)]
    fn poll_closed(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let closed = ready!(this.inner.poll_closed(cx));
        Poll::Ready(say(this.farewell, closed))
    }

    #[cold]
    fn poll_closed_or_watched(mut self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.as_mut().project();
        match ready!(this.inner.poll_closed_or_watched(cx, S::poll_next)) {
            Ok(Some(item)) => Poll::Ready(Some(item)),
            Ok(None) => Poll::Ready(self.completed()),
            Err(closed) => Poll::Ready(say(this.farewell, closed)),
        }
    }
}

fn say<T>(farewell: &mut Option<Farewell<T>>, closed: Closed) -> Option<T> {
    farewell.take().and_then(|last| last(closed))
}

impl<S: Stream> Stream for LiveStream<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let inner = self.as_mut().project().inner;
        match inner.poll_source(|source| source.poll_next(cx)) {
            Some(Poll::Ready(Some(item))) => Poll::Ready(Some(item)),
            Some(Poll::Ready(None)) => Poll::Ready(self.completed()),
            Some(Poll::Pending) => self.poll_closed(cx),
            None => self.poll_closed_or_watched(cx),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // A close may end it at any time, and a farewell may follow.
        let source = self.inner.source().map_or((0, Some(0)), S::size_hint);
        let last = usize::from(self.farewell.is_some());
        (0, source.1.and_then(|upper| upper.checked_add(last)))
    }
}

impl<S: Stream> FusedStream for LiveStream<S> {
    fn is_terminated(&self) -> bool {
        self.inner.source().is_none() && self.farewell.is_none()
    }
}

impl<S: Stream> fmt::Debug for LiveStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveStream")
            .field("live", &self.inner)
            .field("farewell", &self.farewell.is_some())
            .finish_non_exhaustive()
    }
}
