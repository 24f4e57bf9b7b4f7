//! Heartbeats in a body of server-sent events, and never inside an event.

mod boundaries;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use boundaries::Boundaries;

use super::pause::Pause;
use crate::LiveBody;

/// A comment, which clients ignore. The blank line has it passed on by those who pass on
/// whole events only.
const HEARTBEAT: &[u8] = b":\n\n";

/// A byte order mark, at most, is left out of what comes after the heartbeats.
const MOST_LEFT_OUT: u64 = 3;

pin_project! {
    /// The inner body of [`LiveBody::heartbeat`]: server-sent events that send a comment
    /// whenever nothing was sent for a period.
    ///
    /// A heartbeat comes only between two events, however the body splits them into
    /// frames; while an event is unfinished there is none. After the trailers or the
    /// end there is none either.
    ///
    /// A frame costs one reading of the clock and a look at the end of its bytes; the
    /// timer is set once in a period.
    ///
    /// # Cancel safety
    ///
    /// As the inner body: what a poll has taken and not given out, a later one gives out.
    #[must_use = "bodies do nothing unless polled"]
    pub struct SseHeartbeat<B: Body> {
        #[pin]
        body: B,
        #[pin]
        pause: Pause,
        boundaries: Boundaries,
        // Has been read, and waits for what has to come before it.
        held: Option<B::Data>,
        // Nothing but the end can come, and no heartbeat.
        over: bool,
    }
}

impl<B> LiveBody<B>
where
    B: Body,
    B::Data: AsRef<[u8]> + From<&'static [u8]>,
{
    /// Sends a comment whenever nothing was sent for `period`, in a body of server-sent
    /// events: only ever between whole events, however the body splits them.
    ///
    /// The body stays what it is but for that: a client that follows the standard sees the
    /// same events. It must not have been encoded, compressed for instance. In a body of any
    /// other kind the comments would be a part of the content.
    ///
    /// The timer is a field of the body: it ends with it, however that ends, and there is
    /// nothing to cancel. It is dropped with the inner body, so no heartbeat follows a
    /// close. A `period` of less than a millisecond is one of a millisecond.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in one without timers.
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
    /// let body = live.body(upstream_body).heartbeat(Duration::from_secs(15));
    ///
    /// let mut body = std::pin::pin!(body);
    /// for expected in ["data: hel", "lo\n\n", ":\n\n", ":\n\n"] {
    ///     let frame = body.frame().await.unwrap()?;
    ///     assert_eq!(frame.into_data().unwrap(), expected);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn heartbeat(self, period: Duration) -> LiveBody<SseHeartbeat<B>> {
        self.wrap(|body| SseHeartbeat {
            body,
            pause: Pause::new(period),
            boundaries: Boundaries::new(),
            held: None,
            over: false,
        })
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
                this.pause.begin();
            }
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }

        if *this.over {
            return Poll::Pending;
        }
        ready!(this.pause.as_mut().poll_over(cx));
        if !this.boundaries.is_between_events() {
            // Nothing to wait for but the body: the event has to end first, and with its
            // last bytes begins another pause.
            return Poll::Pending;
        }
        this.boundaries.part();
        this.pause.begin();
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
            .field("period", &self.pause.period)
            .finish_non_exhaustive()
    }
}
