//! A gate that is asked before each poll of the source.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::LiveStream;
use crate::connection::Gate;
use crate::state::CloseReason;

impl<S: Stream, K> LiveStream<S, K> {
    /// Asks `gate` before each poll of the source: to end the stream, or to keep it silent,
    /// in the very poll in which that turns out to be necessary.
    ///
    /// A close that another thread makes may come too late for a server that stood still: it
    /// wakes up and goes on streaming although its lease on the key has run out. `gate`
    /// returns
    ///
    /// - `Ready(Ok(()))` to go on,
    /// - `Ready(Err(reason))` to close the connection for this reason; nothing of the source
    ///   follows, no flush either, and then the [farewell](Self::farewell),
    /// - `Pending` to yield nothing for now; it must have arranged that the task is woken.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::task::Poll;
    /// # use futures::{StreamExt, executor::block_on, stream};
    /// use hangup::{CloseReason, Scope};
    ///
    /// let live = Scope::new().open()?.register()?.go_live()?;
    /// let mut left = 2;
    /// let numbers = live.stream(stream::iter(1..)).gate(move |_| {
    ///     if left == 0 {
    ///         return Poll::Ready(Err(CloseReason::Lost));
    ///     }
    ///     left -= 1;
    ///     Poll::Ready(Ok(()))
    /// });
    /// assert_eq!(block_on(numbers.collect::<Vec<_>>()), [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gate<G>(self, gate: G) -> LiveStream<Gated<S, G>, K>
    where
        G: FnMut(&mut Context<'_>) -> Poll<Result<(), CloseReason>>,
    {
        let gate = Gate::new(gate, self.handle());
        self.map_inner(|source| Gated { source, gate })
    }
}

pin_project! {
    /// The source of [`LiveStream::gate`].
    #[must_use = "streams do nothing unless polled"]
    pub struct Gated<S, G> {
        #[pin]
        source: S,
        gate: Gate<G>,
    }
}

impl<S, G> Stream for Gated<S, G>
where
    S: Stream,
    G: FnMut(&mut Context<'_>) -> Poll<Result<(), CloseReason>>,
{
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        ready!(this.gate.poll_open(cx));
        this.source.poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.source.size_hint().1)
    }
}

impl<S: fmt::Debug, G> fmt::Debug for Gated<S, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gated")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
