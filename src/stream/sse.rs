//! Heartbeats between the events of a body of server-sent events.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::LiveBody;
use super::boundaries::Boundaries;
use super::quiet::Quiet;
use crate::lifecycle::Handle;
use crate::runtime::NoRuntime;

/// A comment, which clients ignore. The blank line makes intermediaries that forward whole
/// events forward it.
const HEARTBEAT: &[u8] = b":\n\n";

/// The most bytes that are left out after a heartbeat: a byte order mark.
const MOST_LEFT_OUT: u64 = 3;

pin_project! {
    /// The inner body of [`LiveBody::heartbeat`]: server-sent events, with a comment when
    /// nothing was sent for a period.
    ///
    /// A heartbeat comes only between two events, however the body splits them into frames;
    /// none comes inside an unfinished event, after the trailers or after the end.
    ///
    /// A frame costs a look at the end of its bytes, and neither a clock read nor a timer.
    ///
    /// # Cancel safety
    ///
    /// As for the inner body: a later poll yields what an earlier one has read and not
    /// yielded.
    #[must_use = "bodies do nothing unless polled"]
    pub struct SseHeartbeat<B: Body> {
        #[pin]
        body: B,
        handle: Handle,
        quiet: Quiet,
        boundaries: Boundaries,
        // Data that has been read, and comes after what was yielded before it.
        held: Option<B::Data>,
        // The trailers or the end have come: no heartbeat may follow.
        over: bool,
    }
}

impl<B> LiveBody<B>
where
    B: Body,
    B::Data: AsRef<[u8]> + From<&'static [u8]>,
{
    /// Sends a comment when nothing was sent for `period`, in a body of server-sent events:
    /// only ever between whole events, however the body splits them.
    ///
    /// Apart from the comments the body stays as it is: a client that follows the standard
    /// sees the same events. The body must not be encoded, for example compressed. In a body
    /// of any other kind the comments would be part of the content.
    ///
    /// A heartbeat comes `period` after the one before it if nothing was sent in between, and
    /// between half of `period` and `period` after other data: a frame costs neither a clock
    /// read nor a timer. A `period` of less than a millisecond is one of a millisecond.
    ///
    /// The timer is part of the inner body: it is dropped with it at the close, so no
    /// heartbeat follows a close, and no task has to be cancelled.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`] if there is no [runtime](crate::runtime) to take the time from. The
    /// connection closes then, as when the body is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use bytes::Bytes;
    /// # use futures::{StreamExt, stream};
    /// # use http_body::Frame;
    /// # use http_body_util::{BodyExt, StreamBody};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let chunks = stream::iter(["data: hel", "lo\n\n"]).chain(stream::pending());
    /// # let upstream = chunks.map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::from(chunk))));
    /// # let upstream_body = StreamBody::new(upstream);
    /// use std::time::Duration;
    /// use hangup::Scope;
    ///
    /// let live = Scope::new().open()?.register()?.go_live()?;
    /// let body = live.body(upstream_body).heartbeat(Duration::from_secs(15))?;
    ///
    /// let mut body = std::pin::pin!(body);
    /// for expected in ["data: hel", "lo\n\n", ":\n\n", ":\n\n"] {
    ///     let frame = body.frame().await.unwrap()?;
    ///     assert_eq!(frame.into_data().unwrap(), expected);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn heartbeat(self, period: Duration) -> Result<LiveBody<SseHeartbeat<B>>, NoRuntime> {
        let runtime = self.live().lifecycle().port().ok_or(NoRuntime)?;
        let handle = self.handle();
        Ok(self.map_inner(|body| SseHeartbeat {
            body,
            handle,
            quiet: Quiet::new(period, runtime),
            boundaries: Boundaries::new(),
            held: None,
            over: false,
        }))
    }
}

impl<B> Body for SseHeartbeat<B>
where
    B: Body,
    B::Data: AsRef<[u8]> + From<&'static [u8]>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        if let Some(data) = this.held.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }

        while let Poll::Ready(next) = this.body.as_mut().poll_frame(cx) {
            let Some(Ok(frame)) = next else {
                *this.over = true;
                return Poll::Ready(next);
            };
            let mut data = match frame.into_data() {
                Ok(data) => data,
                Err(trailers) => {
                    *this.over = true;
                    return Poll::Ready(Some(Ok(trailers)));
                }
            };
            let passage = this.boundaries.pass(data.as_ref());
            if passage.left_out > 0 {
                data.advance(passage.left_out);
                if !data.has_remaining() {
                    continue;
                }
            }
            if !passage.before.is_empty() {
                *this.held = Some(data);
                data = passage.before.into();
            }
            // An empty frame sends nothing.
            if data.has_remaining() {
                this.quiet.item();
            }
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }

        if *this.over {
            return Poll::Pending;
        }
        ready!(this.quiet.poll_over(cx));
        if this.handle.state().is_closed() {
            // The body is flushed.
            return Poll::Pending;
        }
        if !this.boundaries.is_between_events() {
            // Only the body can end the event, and its last bytes begin another pause.
            return Poll::Pending;
        }
        this.boundaries.part();
        this.quiet.heartbeat();
        Poll::Ready(Some(Ok(Frame::data(HEARTBEAT.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.body.size_hint().lower().saturating_sub(MOST_LEFT_OUT));
        hint
    }
}

impl<B: Body> fmt::Debug for SseHeartbeat<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseHeartbeat")
            .field("period", &self.quiet.period())
            .finish_non_exhaustive()
    }
}
