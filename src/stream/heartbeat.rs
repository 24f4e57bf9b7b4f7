//! Heartbeats in a stream that is quiet.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::LiveStream;
use super::quiet::Quiet;
use crate::lifecycle::Handle;
use crate::runtime::NoRuntime;

impl<S: Stream, K> LiveStream<S, K> {
    /// Yields `item()` when nothing was yielded for `period`, so that the stream is never
    /// quiet for longer.
    ///
    /// A heartbeat keeps proxies from closing a quiet stream, and it makes the transport
    /// write, which is often the only way to learn that a peer is gone.
    ///
    /// A heartbeat comes `period` after the one before it if nothing was yielded in between,
    /// and between half of `period` and `period` after an item: an item only sets a flag, so
    /// it costs neither a clock read nor a timer. A `period` of less than a millisecond is
    /// one of a millisecond.
    ///
    /// The timer is part of the source: it is dropped with it at the close, so no heartbeat
    /// follows a close, and no task has to be cancelled.
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
    /// let events = live
    ///     .stream(stream::pending())
    ///     .heartbeat(Duration::from_secs(30), || "ping")?;
    /// let mut events = std::pin::pin!(events);
    /// assert_eq!(events.next().await, Some("ping"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn heartbeat<F>(
        self,
        period: Duration,
        item: F,
    ) -> Result<LiveStream<Heartbeat<S, F>, K>, NoRuntime>
    where
        F: FnMut() -> S::Item,
    {
        let runtime = self.live().lifecycle().port().ok_or(NoRuntime)?;
        let handle = self.handle();
        Ok(self.map_inner(|source| Heartbeat {
            source,
            item,
            handle,
            quiet: Quiet::new(period, runtime),
        }))
    }
}

pin_project! {
    /// The source of [`LiveStream::heartbeat`].
    #[must_use = "streams do nothing unless polled"]
    pub struct Heartbeat<S, F> {
        #[pin]
        source: S,
        item: F,
        handle: Handle,
        quiet: Quiet,
    }
}

impl<S, F> Stream for Heartbeat<S, F>
where
    S: Stream,
    F: FnMut() -> S::Item,
{
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let polled = this.source.poll_next(cx);
        if polled.is_ready() {
            this.quiet.item();
            return polled;
        }
        ready!(this.quiet.poll_over(cx));
        if this.handle.state().is_closed() {
            // The source is flushed.
            return Poll::Pending;
        }
        this.quiet.heartbeat();
        Poll::Ready(Some((this.item)()))
    }

    // No upper bound, since any number of heartbeats may come.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.source.size_hint().0, None)
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Heartbeat<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat")
            .field("source", &self.source)
            .field("period", &self.quiet.period())
            .finish_non_exhaustive()
    }
}
