//! Heartbeats at a fixed cadence.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::LiveStream;
use crate::connection::Interval;
use crate::lifecycle::Handle;
use crate::runtime::NoRuntime;

impl<S: Stream, K> LiveStream<S, K> {
    /// Yields `item()` every `period`, also between items that come quickly: for a client
    /// that measures the time between pings.
    ///
    /// [`heartbeat`](Self::heartbeat) is for one that only wants to hear something, and costs
    /// less: this one polls a timer before each item. If the stream is not polled for longer
    /// than `period`, one heartbeat stands for all that were missed. A `period` of less than
    /// a millisecond is one of a millisecond.
    ///
    /// The timer is part of the source: no heartbeat follows a close.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`] if there is no [runtime](crate::runtime) to take the time from. The
    /// connection closes as [`Dropped`](crate::CloseReason::Dropped) then.
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
    /// let period = Duration::from_secs(15);
    /// let mut pings = live.stream(stream::pending()).heartbeat_every(period, || "ping")?;
    /// assert_eq!(pings.next().await, Some("ping"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn heartbeat_every<F>(
        self,
        period: Duration,
        item: F,
    ) -> Result<LiveStream<Cadence<S, F>, K>, NoRuntime>
    where
        F: FnMut() -> S::Item,
    {
        let interval = self.live().interval(period)?;
        let handle = self.handle();
        Ok(self.map_inner(|source| Cadence {
            source,
            item,
            handle,
            interval,
        }))
    }
}

pin_project! {
    /// The source of [`LiveStream::heartbeat_every`].
    #[must_use = "streams do nothing unless polled"]
    pub struct Cadence<S, F> {
        #[pin]
        source: S,
        item: F,
        handle: Handle,
        interval: Interval,
    }
}

impl<S, F> Stream for Cadence<S, F>
where
    S: Stream,
    F: FnMut() -> S::Item,
{
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        // A closed connection is flushed.
        let is_open = !this.handle.state().is_closed();
        if is_open && this.interval.poll_tick(cx).is_ready() {
            // The next tick has no waker yet.
            cx.waker().wake_by_ref();
            return Poll::Ready(Some((this.item)()));
        }
        this.source.poll_next(cx)
    }

    // No upper bound, since any number of heartbeats may come.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.source.size_hint().0, None)
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Cadence<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cadence")
            .field("source", &self.source)
            .field("period", &self.interval.period())
            .finish_non_exhaustive()
    }
}
