//! A body that owns a live connection: each ends with the other.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::boundaries::Boundaries;
use super::parting::Farewell;
use crate::connection::{Abortable, Flush, Live};
use crate::lifecycle::{End, Handle};
use crate::panic::catch_panic;
use crate::state::{CloseReason, Closed};

pin_project! {
    /// A body that owns a live connection. Made by [`Live::body`].
    ///
    /// It treats frames as [`LiveStream`](crate::LiveStream) treats items, a
    /// [flush](Self::flush) and a [farewell](Self::farewell) included, and forwards data and
    /// trailers, [`is_end_stream`](Body::is_end_stream) and
    /// [`size_hint`](Body::size_hint).
    ///
    /// - When the inner body ends, the connection closes `Completed`. A body ends with
    ///   `None`, with its trailers, and with a frame after which `is_end_stream` is true,
    ///   since no server polls again then. A body that is dropped with nothing left to send,
    ///   by `is_end_stream` or by its size hint, has ended too: a response that was sent in
    ///   full does not count as dropped.
    /// - When the connection is closed from anywhere, the task is woken; its next poll drops
    ///   the inner body and ends this one. For HTTP that is the regular end of a body without
    ///   a length, and an error for one with a length. The inner body stays until that poll,
    ///   or until the flush is over: the close itself undoes, also if the transport does not
    ///   poll.
    /// - When the body is dropped before its end, the connection closes `Dropped`: the client
    ///   is gone, or did not ask for a body, as with `HEAD`.
    /// - When the inner body fails or panics, the connection closes `Failed`. The error is
    ///   passed on.
    #[must_use = "bodies do nothing unless polled"]
    pub struct LiveBody<B: Body> {
        #[pin]
        inner: Abortable<B>,
        farewell: Farewell<Frame<B::Data>>,
        // What the data so far allows to follow, if a farewell may follow.
        sent: Option<Sent<B::Data>>,
    }

    impl<B: Body> PinnedDrop for LiveBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let inner = this.project().inner;
            // A panic has been reported by the panic hook.
            let complete = inner
                .source()
                .is_some_and(|body| catch_panic(|| nothing_left(body)) == Ok(true));
            inner.release(if complete {
                CloseReason::Completed
            } else {
                CloseReason::Dropped
            });
        }
    }
}

const _: () = {
    const fn is_sync<T: Sync>() {}
    #[expect(dead_code, reason = "its types are checked, and it is never called")]
    const fn of<B: Body + Sync>() {
        is_sync::<LiveBody<B>>();
    }
};

/// Where in a server-sent event the data so far has come to.
struct Sent<D> {
    events: Boundaries,
    bytes: fn(&D) -> &[u8],
}

fn nothing_left<B: Body>(body: &B) -> bool {
    // A server that knows the length stops polling there.
    body.is_end_stream() || body.size_hint().exact() == Some(0)
}

impl Live {
    /// Sends `body` on this connection: each ends with the other.
    ///
    /// # Examples
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// use hangup::{CloseReason, Scope};
    /// use http_body_util::{BodyExt, Full};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let live = Scope::new().open()?.register()?.go_live()?;
    /// let handle = live.handle();
    /// let body = live.body(Full::new("hello".as_bytes()));
    ///
    /// assert_eq!(block_on(body.collect())?.to_bytes(), "hello");
    /// assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Completed);
    /// # Ok(())
    /// # }
    /// ```
    pub fn body<B: Body>(self, body: B) -> LiveBody<B> {
        LiveBody {
            inner: Abortable::new_watched(self, body),
            farewell: Farewell::default(),
            sent: None,
        }
    }
}

impl<B: Body> LiveBody<B> {
    /// Sends one last frame after a close from elsewhere, if `last` returns one: data, or
    /// trailers.
    ///
    /// `last` is given how the connection closed, in which words, and by whom. It is not
    /// called if the connection has `Completed`, if the body is dropped, since no reader is
    /// left, nor after trailers or an error. To call this again replaces the farewell.
    ///
    /// A close may come at any byte of the body, and nothing that follows can take half a
    /// message back: a client would take it for a whole one. So data follows only after an
    /// empty line, where a server-sent event ends, or if nothing was sent. Inside an event
    /// the body ends without it, unless a [flush](Self::flush) brings the rest. Trailers may
    /// follow anything. For a body whose frames of data are whole messages of another kind,
    /// see [`farewell_after_any_frame`](Self::farewell_after_any_frame).
    ///
    /// Call this before the body is polled.
    pub fn farewell<F>(self, last: F) -> Self
    where
        B::Data: AsRef<[u8]>,
        F: FnOnce(End) -> Option<Frame<B::Data>> + Send + 'static,
    {
        let mut this = self.farewell_after_any_frame(last);
        this.sent = Some(Sent {
            events: Boundaries::new(),
            bytes: B::Data::as_ref,
        });
        this
    }

    /// [`farewell`](Self::farewell) for a body whose frames of data are whole messages, so
    /// that data may follow each of them.
    pub fn farewell_after_any_frame<F>(mut self, last: F) -> Self
    where
        F: FnOnce(End) -> Option<Frame<B::Data>> + Send + 'static,
    {
        self.farewell = Farewell::new(last);
        self.sent = None;
        self
    }

    /// After a close from elsewhere, sends the frames that the inner body has ready, at most
    /// `limit` of them, before the farewell: see
    /// [`LiveStream::flush`](crate::LiveStream::flush).
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

    /// Replaces the inner body with what `map` makes of it: for a combinator that has to end
    /// with the connection.
    pub fn map_inner<T, F>(mut self, map: F) -> LiveBody<T>
    where
        T: Body<Data = B::Data>,
        F: FnOnce(B) -> T,
    {
        let mapped = self.inner.map_source(map);
        let (farewell, sent) = (std::mem::take(&mut self.farewell), self.sent.take());
        drop(self);
        LiveBody {
            inner: mapped.complete(),
            farewell,
            sent,
        }
    }

    /// A handle to the connection.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.live().handle()
    }

    pub(super) fn live(&self) -> &Live {
        self.inner.live()
    }
}

impl<B: Body> Body for LiveBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let polled = this.inner.as_mut().poll(cx, |mut body, cx| {
            let frame = ready!(body.as_mut().poll_frame(cx));
            let last = match &frame {
                None => Some(CloseReason::Completed),
                // After an error no server polls again, nor asks whether the body has ended.
                Some(Err(_)) => Some(CloseReason::Failed),
                Some(Ok(frame)) if frame.is_trailers() || body.is_end_stream() => {
                    Some(CloseReason::Completed)
                }
                Some(Ok(_)) => None,
            };
            Poll::Ready((frame, last))
        });
        let closed = match ready!(polled) {
            Ok((frame, last)) => {
                let closed = last.map(|reason| this.inner.as_mut().finish(reason));
                if let Some(frame) = frame {
                    match frame.as_ref().map(Frame::data_ref) {
                        Ok(Some(data)) => {
                            if let Some(sent) = this.sent {
                                sent.events.pass((sent.bytes)(data));
                            }
                        }
                        // No frame may follow trailers or an error.
                        Ok(None) | Err(_) => this.farewell.cancel(),
                    }
                    return Poll::Ready(Some(frame));
                }
                closed.expect("without a frame there is nothing more")
            }
            Err(closed) => closed,
        };
        let lifecycle = this.inner.live().lifecycle();
        let last = this.farewell.say(lifecycle, closed);
        // R18: data would make a whole event of half of one.
        let cut = this
            .sent
            .as_ref()
            .is_some_and(|sent| !sent.events.is_between_events());
        let last = last.filter(|frame| !(cut && frame.is_data()));
        Poll::Ready(last.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        let Some(body) = self.inner.source() else {
            return !self.farewell.is_some();
        };
        if self.farewell.is_some() {
            // It may follow the end of the inner body.
            return false;
        }
        let closed = self.inner.live().lifecycle().closed().is_some();
        // A server must not take a body for complete that is cut before its length.
        let is_cut = closed && body.size_hint().exact().is_none_or(|left| left == 0);
        body.is_end_stream() || is_cut && !self.inner.flushes()
    }

    fn size_hint(&self) -> SizeHint {
        match self.inner.source() {
            // The exact size, so that a client notices a close before the end.
            Some(body) if !self.farewell.is_some() => body.size_hint(),
            None if !self.farewell.is_some() => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}

impl<B: Body> fmt::Debug for LiveBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveBody")
            .field("live", &self.inner)
            .field("farewell", &self.farewell.is_some())
            .finish_non_exhaustive()
    }
}
