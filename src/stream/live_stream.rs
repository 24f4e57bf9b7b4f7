//! A stream that owns a live connection: each ends with the other.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::FusedStream;
use pin_project_lite::pin_project;

use super::items::{Items, Kind, Results};
use super::parting::Farewell;
use crate::connection::{Abortable, Flush, Live};
use crate::lifecycle::{End, Handle};
use crate::state::{CloseReason, Closed};

pin_project! {
    /// A stream that owns a live connection. Made by [`Live::stream`] and
    /// [`Live::try_stream`].
    ///
    /// - When the inner stream ends, the connection closes `Completed`.
    /// - When the connection is closed from anywhere, the task is woken; its next poll drops
    ///   the inner stream and ends this one, even if the inner stream is pending.
    /// - When this stream is dropped, because the client is gone, the connection closes
    ///   `Dropped`.
    /// - When the inner stream panics, or yields an error in a stream of results, the
    ///   connection closes `Failed`.
    ///
    /// A poll that began after a close returned yields nothing, except what was asked for:
    /// the items that the source has ready, up to the limit of a [`flush`](Self::flush), and
    /// one [`farewell`](Self::farewell).
    ///
    /// The close itself undoes, also if the transport does not poll. So what the transport
    /// holds outlives [`Handle::settled`](crate::Handle::settled): the inner stream stays
    /// until the next poll of this one, or until the flush is over, or until this one is
    /// dropped.
    ///
    /// A ready item costs one atomic load on top of the inner stream, and three more stores
    /// under a [stall](crate::Deadlines::stall) or [quiet](crate::Deadlines::quiet) deadline.
    ///
    /// It is `Send` and `Sync` where the inner stream is.
    ///
    /// # Cancel safety
    ///
    /// `next()` on this stream is as cancel safe as on the inner one: a poll that
    /// returns `Pending` has taken nothing.
    #[must_use = "streams do nothing unless polled"]
    pub struct LiveStream<S: Stream, K = Items> {
        #[pin]
        inner: Abortable<S>,
        farewell: Farewell<S::Item>,
        kind: PhantomData<fn() -> K>,
    }
}

const _: () = {
    const fn is_sync<T: Sync>() {}
    #[expect(dead_code, reason = "its types are checked, and it is never called")]
    const fn of<S: Stream + Sync>() {
        is_sync::<LiveStream<S>>();
        is_sync::<LiveStream<S, Results>>();
    }
};

impl Live {
    /// Streams `source` on this connection: each ends with the other.
    pub fn stream<S: Stream>(self, source: S) -> LiveStream<S> {
        LiveStream::new(self, source)
    }

    /// Streams the results that `source` yields: an error is passed on, and fails the
    /// connection.
    ///
    /// The first `Err` closes the connection [`Failed`](CloseReason::Failed) and ends the
    /// stream: nothing follows it, no farewell either. In a plain [`stream`](Self::stream)
    /// an `Err` is an item like others.
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
    /// let messages = live.try_stream(stream::iter([Ok(1), Err("broken"), Ok(2)]));
    ///
    /// assert_eq!(block_on(messages.collect::<Vec<_>>()), [Ok(1), Err("broken")]);
    /// assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Failed);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_stream<S, T, E>(self, source: S) -> LiveStream<S, Results>
    where
        S: Stream<Item = Result<T, E>>,
    {
        LiveStream::new(self, source)
    }
}

impl<S: Stream, K> LiveStream<S, K> {
    fn new(live: Live, source: S) -> Self {
        Self {
            inner: Abortable::new_watched(live, source),
            farewell: Farewell::default(),
            kind: PhantomData,
        }
    }

    /// Yields one last item after a close from elsewhere, if `last` returns one.
    ///
    /// `last` is given how the connection closed, in which words, and by whom. It is not
    /// called if the connection has `Completed`, if the source has failed, or if the stream
    /// is dropped, since no reader is left. To call this again replaces the farewell.
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
    ///     .farewell(|end| Some(format!("bye: {}", end.reason())));
    ///
    /// handle.close(CloseReason::Shutdown)?;
    /// assert_eq!(block_on(events.next()).unwrap(), "bye: shutdown");
    /// assert_eq!(block_on(events.next()), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn farewell<F>(mut self, last: F) -> Self
    where
        F: FnOnce(End) -> Option<S::Item> + Send + 'static,
    {
        self.farewell = Farewell::new(last);
        self
    }

    /// After a close from elsewhere, yields the items that the source has ready, at most
    /// `limit` of them, before the farewell: what was accepted is delivered.
    ///
    /// These may include items that the source got after the close. The flush ends at the
    /// limit, at the end of the source, or when the source is pending in two polls in a row;
    /// the first time this stream wakes its own task, since a runtime whose budget is used up
    /// makes a source pending that has items ready. [Heartbeats](Self::heartbeat) are not
    /// sent.
    ///
    /// There is no flush for a reader that does not read, or a stream that is broken:
    /// [`Aborted`](CloseReason::Aborted), [`Failed`](CloseReason::Failed),
    /// [`Stalled`](CloseReason::Stalled), [`Overflow`](CloseReason::Overflow),
    /// [`Lost`](CloseReason::Lost) and [`Rejected`](CloseReason::Rejected).
    /// [`flush_with`](Self::flush_with) decides otherwise.
    ///
    /// [`Handle::settled`] does not wait for it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use futures::{StreamExt, executor::block_on, stream};
    /// # use hangup::{CloseReason, Scope};
    /// # let live = Scope::new().open()?.register()?.go_live()?;
    /// # let handle = live.handle();
    /// let (sender, receiver) = futures::channel::mpsc::unbounded();
    /// let events = live.stream(receiver).flush(64).farewell(|_| Some("bye"));
    ///
    /// sender.unbounded_send("accepted")?;
    /// handle.close(CloseReason::Superseded)?;
    /// assert_eq!(block_on(events.collect::<Vec<_>>()), ["accepted", "bye"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush(mut self, limit: usize) -> Self {
        self.inner.set_flush(Flush::up_to(limit));
        self
    }

    /// [`flush`](Self::flush) with a limit that depends on how the connection closed.
    pub fn flush_with<F>(mut self, limit: F) -> Self
    where
        F: FnOnce(Closed) -> usize + Send + 'static,
    {
        self.inner.set_flush(Flush::with(limit));
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
    pub fn map_inner<T, F>(mut self, map: F) -> LiveStream<T, K>
    where
        T: Stream<Item = S::Item>,
        F: FnOnce(S) -> T,
    {
        let mapped = self.inner.map_source(map);
        drop(self.inner);
        LiveStream {
            inner: mapped.complete(),
            farewell: self.farewell,
            kind: PhantomData,
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
        let mut this = self.project();
        let closed = this.inner.as_mut().finish(CloseReason::Completed);
        this.farewell.say(this.inner.live().lifecycle(), closed)
    }

    /// The source has yielded an error.
    #[cold]
    fn failed(self: Pin<&mut Self>) {
        let this = self.project();
        this.farewell.cancel();
        this.inner.finish(CloseReason::Failed);
    }
}

impl<S: Stream, K: Kind<S::Item>> LiveStream<S, K> {
    #[inline(never)]
    fn poll_closed(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let inner = self.as_mut().project().inner;
        ready!(inner.poll_closed(cx));
        self.poll_closed_or_watched(cx)
    }

    #[cold]
    fn poll_closed_or_watched(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<S::Item>> {
        let mut this = self.as_mut().project();
        let polled = this.inner.as_mut().poll_closed_or_watched(cx, S::poll_next);
        match ready!(polled) {
            Ok(Some(item)) => {
                if K::is_failure(&item) {
                    self.failed();
                }
                Poll::Ready(Some(item))
            }
            Ok(None) => Poll::Ready(self.completed()),
            Err(closed) => {
                let lifecycle = this.inner.live().lifecycle();
                Poll::Ready(this.farewell.say(lifecycle, closed))
            }
        }
    }
}

impl<S: Stream, K: Kind<S::Item>> Stream for LiveStream<S, K> {
    type Item = S::Item;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let inner = self.as_mut().project().inner;
        match inner.poll_source(|source| source.poll_next(cx)) {
            Some(Poll::Ready(Some(item))) => {
                if K::is_failure(&item) {
                    self.failed();
                }
                Poll::Ready(Some(item))
            }
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

impl<S: Stream, K: Kind<S::Item>> FusedStream for LiveStream<S, K> {
    fn is_terminated(&self) -> bool {
        self.inner.source().is_none() && !self.farewell.is_some()
    }
}

impl<S: Stream, K> fmt::Debug for LiveStream<S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveStream")
            .field("live", &self.inner)
            .field("farewell", &self.farewell.is_some())
            .finish_non_exhaustive()
    }
}
