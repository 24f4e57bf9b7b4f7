//! Something to send when there is nothing to send.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::pause::Pause;
use crate::LiveStream;

impl<S: Stream> LiveStream<S> {
    /// Yields `item()` whenever nothing was yielded for `period`.
    ///
    /// A heartbeat keeps proxies from giving up on a quiet stream, and it makes the
    /// transport write, which is often the only way to learn that a peer is gone.
    ///
    /// The timer is a field of the stream: it ends with it, however that ends, and there
    /// is nothing to cancel. It is dropped with the source, so no heartbeat follows a
    /// close. A `period` of less than a millisecond is one of a millisecond.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in one without timers.
    ///
    /// # Examples
    ///
    /// ```
    /// # use futures::{StreamExt, stream};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use hangup::Scope;
    ///
    /// let live = Scope::new().open()?.register()?.go_live()?;
    /// let events = live
    ///     .stream(stream::pending())
    ///     .heartbeat(Duration::from_secs(30), || "ping");
    /// let mut events = std::pin::pin!(events);
    /// assert_eq!(events.next().await, Some("ping"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn heartbeat<F>(self, period: Duration, item: F) -> LiveStream<Heartbeat<S, F>>
    where
        F: FnMut() -> S::Item,
    {
        self.wrap(|source| Heartbeat {
            source,
            item,
            pause: Pause::new(period),
        })
    }
}

pin_project! {
    /// The source of [`LiveStream::heartbeat`].
    #[must_use = "streams do nothing unless polled"]
    pub struct Heartbeat<S, F> {
        #[pin]
        source: S,
        item: F,
        #[pin]
        pause: Pause,
    }
}

impl<S, F> Stream for Heartbeat<S, F>
where
    S: Stream,
    F: FnMut() -> S::Item,
{
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        let polled = this.source.poll_next(cx);
        if polled.is_ready() {
            this.pause.begin();
            return polled;
        }
        ready!(this.pause.as_mut().poll_over(cx));
        this.pause.begin();
        Poll::Ready(Some((this.item)()))
    }

    // Nothing to say but the least, since heartbeats come on top.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.source.size_hint().0, None)
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Heartbeat<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat")
            .field("source", &self.source)
            .field("period", &self.pause.period)
            .finish_non_exhaustive()
    }
}
