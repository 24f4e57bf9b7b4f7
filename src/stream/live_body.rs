//! A body that owns a live connection: each ends with the other.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::connection::{Abortable, Live};
use crate::lifecycle::Handle;
use crate::panic::catch_panic;
use crate::state::{CloseReason, Closed};

type Farewell<T> = Box<dyn FnOnce(Closed) -> Option<T> + Send>;

pin_project! {
    /// A body that owns a live connection. Made by [`Live::body`].
    ///
    /// It treats frames as [`LiveStream`](crate::LiveStream) treats items, and forwards data
    /// and trailers, [`is_end_stream`](Body::is_end_stream) and
    /// [`size_hint`](Body::size_hint).
    ///
    /// - When the inner body ends, the connection closes `Completed`. A body ends with
    ///   `None`, with its trailers, and with a frame after which `is_end_stream` is true,
    ///   since no server polls again then. A body that is dropped with nothing left to send,
    ///   by `is_end_stream` or by its size hint, has ended too: a response that was sent in
    ///   full does not count as dropped.
    /// - When the connection is closed from anywhere, the task is woken; its next poll drops
    ///   the inner body and ends this one. For HTTP that is the regular end of a body without
    ///   a length, and an error for one with a length.
    /// - When the body is dropped before its end, the connection closes `Dropped`: the client
    ///   is gone, or did not ask for a body, as with `HEAD`.
    /// - When the inner body fails or panics, the connection closes `Failed`. The error is
    ///   passed on.
    #[must_use = "bodies do nothing unless polled"]
    pub struct LiveBody<B: Body> {
        #[pin]
        inner: Abortable<B>,
        farewell: Option<Farewell<B::Data>>,
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
            farewell: None,
        }
    }
}

impl<B: Body> LiveBody<B> {
    /// Sends one last frame of data after the close, if `last` returns one.
    ///
    /// `last` is given how the connection closed, `Completed` included. It is not called when
    /// the body is dropped, since no reader is left, nor after trailers or an error. To call
    /// this again replaces the farewell.
    ///
    /// A close may come at any byte of the body. In server-sent events, a farewell that
    /// begins with a blank line is an event of its own in any case.
    pub fn farewell<F>(mut self, last: F) -> Self
    where
        F: FnOnce(Closed) -> Option<B::Data> + Send + 'static,
    {
        self.farewell = Some(Box::new(last));
        self
    }

    /// Replaces the inner body with what `map` makes of it: for a combinator that has to end
    /// with the connection.
    pub fn map_inner<T, F>(mut self, map: F) -> LiveBody<T>
    where
        T: Body<Data = B::Data>,
        F: FnOnce(B) -> T,
    {
        LiveBody {
            inner: self.inner.map_source(map),
            farewell: self.farewell.take(),
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
                let closed = last.map(|reason| this.inner.finish(reason));
                if let Some(frame) = frame {
                    if frame.as_ref().map_or(true, Frame::is_trailers) {
                        // No frame may follow trailers or an error.
                        *this.farewell = None;
                    }
                    return Poll::Ready(Some(frame));
                }
                closed.expect("without a frame there is nothing more")
            }
            Err(closed) => closed,
        };
        let last = this.farewell.take().and_then(|last| last(closed));
        Poll::Ready(last.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        // A farewell may follow the end of the inner body.
        self.farewell.is_none()
            && (self.inner.live().lifecycle().closed().is_some()
                || self.inner.source().is_none_or(Body::is_end_stream))
    }

    fn size_hint(&self) -> SizeHint {
        match self.inner.source() {
            // The exact size, so that a client notices a close before the end.
            Some(body) if self.farewell.is_none() => body.size_hint(),
            None if self.farewell.is_none() => SizeHint::with_exact(0),
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
