//! A gate that is asked before each poll of a loop.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::Run;
use crate::lifecycle::Handle;
use crate::state::{CloseReason, Closed};

impl<F: Future> Run<F> {
    /// Asks `gate` before each poll of the loop: to end the connection, or to keep the loop
    /// still, in the very poll in which that turns out to be necessary. As
    /// [`LiveStream::gate`](crate::LiveStream::gate) for a stream.
    ///
    /// A close that another thread makes may come too late for a server that stood still: it
    /// wakes up and goes on although its lease on the key has run out. `gate` returns
    ///
    /// - `Ready(Ok(()))` to go on,
    /// - `Ready(Err(reason))` to close the connection for this reason: the loop is dropped, and
    ///   this future resolves to [`Closing`](crate::Closing),
    /// - `Pending` to leave the loop alone for now; it must have arranged that the task is woken.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::task::Poll;
    /// # use futures::executor::block_on;
    /// # struct Lease;
    /// # impl Lease { fn has_lapsed(&self) -> bool { true } }
    /// # let lease = Lease;
    /// use hangup::{CloseReason, Scope};
    ///
    /// let live = Scope::new().live()?;
    /// let talk = async { println!("never polled") };
    /// let talking = live.run(talk).gate(|_| match lease.has_lapsed() {
    ///     true => Poll::Ready(Err(CloseReason::Lost)),
    ///     false => Poll::Ready(Ok(())),
    /// });
    /// assert_eq!(block_on(talking).unwrap_err().reason(), CloseReason::Lost);
    /// # Ok::<(), hangup::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If it has been polled to its end.
    pub fn gate<G>(self, gate: G) -> Run<GatedLoop<F, G>>
    where
        G: FnMut(&mut Context<'_>) -> Poll<Result<(), CloseReason>>,
    {
        let gate = Gate::new(gate, self.live().handle());
        self.map_body(|body| GatedLoop { body, gate })
    }
}

/// A gate of the application, and the connection that it may close.
pub(crate) struct Gate<G> {
    ask: G,
    handle: Handle,
    has_closed: bool,
}

impl<G> Gate<G>
where
    G: FnMut(&mut Context<'_>) -> Poll<Result<(), CloseReason>>,
{
    pub(crate) fn new(ask: G, handle: Handle) -> Self {
        Self {
            ask,
            handle,
            has_closed: false,
        }
    }

    /// `Ready` if what is behind the gate may be polled. If the gate closes the connection, the
    /// caller sees that close in the same poll, and the gate is not asked again.
    pub(crate) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_closed {
            return Poll::Pending;
        }
        match ready!((self.ask)(cx)) {
            Ok(()) => Poll::Ready(()),
            Err(reason) => {
                self.has_closed = true;
                // `Err` if it had closed.
                let _: Result<(), Closed> = self.handle.close(reason);
                Poll::Pending
            }
        }
    }
}

pin_project! {
    /// The loop of [`Run::gate`].
    #[must_use = "futures do nothing unless polled"]
    pub struct GatedLoop<F, G> {
        #[pin]
        body: F,
        gate: Gate<G>,
    }
}

impl<F, G> Future for GatedLoop<F, G>
where
    F: Future,
    G: FnMut(&mut Context<'_>) -> Poll<Result<(), CloseReason>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        ready!(this.gate.poll_open(cx));
        this.body.poll(cx)
    }
}

impl<F, G> fmt::Debug for GatedLoop<F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatedLoop").finish_non_exhaustive()
    }
}
