//! The body of a call that was closed before its handler had answered.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use pin_project_lite::pin_project;

pin_project! {
    /// What a body has ready, and then a status: so a call with one answer is answered, and a
    /// stream ends with why it does.
    pub(super) struct Parting<B> {
        #[pin]
        body: B,
        // `None` when nothing may follow.
        status: Option<HeaderMap>,
        // The body had nothing ready in the poll before.
        was_pending: bool,
    }
}

impl<B> Parting<B> {
    pub(super) fn new(body: B, status: HeaderMap) -> Self {
        Self {
            body,
            status: Some(status),
            was_pending: false,
        }
    }
}

impl<B: Body<Data = Bytes>> Body for Parting<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if this.status.is_none() {
            return Poll::Ready(None);
        }
        let Poll::Ready(next) = this.body.poll_frame(cx) else {
            // A runtime's budget answers so with frames ready, and once at most.
            if !std::mem::replace(this.was_pending, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let status = this.status.take();
            return Poll::Ready(status.map(|status| Ok(Frame::trailers(status))));
        };
        *this.was_pending = false;
        match &next {
            Some(Ok(frame)) if frame.is_data() => {}
            _ => *this.status = None,
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.status.is_none() || self.body.is_end_stream()
    }
}
