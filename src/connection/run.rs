//! A loop of one's own on a live connection: a WebSocket, say.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{Closing, Live};
use crate::lifecycle::{FailOnPanic, WakerSlot};
use crate::state::{CloseReason, Closed};

pin_project! {
    /// Future of [`Live::run`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Run<F> {
        // `None` once it is complete.
        live: Option<Live>,
        // Dropped as soon as it has ended.
        #[pin]
        body: Option<F>,
        waker: WakerSlot,
    }

    impl<F> PinnedDrop for Run<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(live) = this.live {
                // After the close and before the undo: the body is newer than the undos (I2).
                let unwind = live.lifecycle().begin_release(CloseReason::Dropped);
                this.body.set(None);
                drop(unwind);
            }
        }
    }
}

impl Live {
    /// Runs a loop of one's own on this connection: a WebSocket, say.
    ///
    /// When `body` completes, the connection closes `Completed`, or with the reason that
    /// `body` gave to its [`Handle`](crate::Handle). When the connection is closed from
    /// elsewhere, the task is woken and `body` is dropped, and only then something is undone:
    /// what `body` holds overlaps no undo, and no successor that took over. When `body`
    /// panics, the connection closes `Failed`. An output that is an `Err` is an output: to
    /// record a failure, close the handle as `Failed` first.
    ///
    /// `body` may borrow, so that what it talks over is there for a
    /// [goodbye](Closing::farewell) afterwards. Its output must not: end a body whose last line is a
    /// `select` of pinned futures with a semicolon.
    ///
    /// Until this is called, a close undoes at once, and a goodbye is no part of the connection
    /// any more. So a server that upgrades goes live where it runs the loop: in the task that has
    /// the socket, and not in the handler that answers the upgrade. A connection that closes in its
    /// set-up has no goodbye: a server that has its socket by then says it before it drops the
    /// set-up.
    ///
    /// # Errors
    ///
    /// [`Closing`] if the connection closed before `body` was complete: the connection, which
    /// has not been undone, so that a goodbye still belongs to it. Dropping it undoes.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection as `Dropped`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hangup::{CloseReason, Scope};
    /// # struct Socket;
    /// # impl Socket {
    /// #     async fn recv(&mut self) -> Option<String> { std::future::pending().await }
    /// #     async fn close(&mut self, why: String) { assert_eq!(why, "shutdown") }
    /// # }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut socket = Socket;
    /// # let live = Scope::new().open()?.register()?.go_live()?;
    /// # live.handle().close(CloseReason::Shutdown)?;
    /// let talk = async {
    ///     while let Some(message) = socket.recv().await {
    ///         println!("{message}");
    ///     }
    /// };
    /// if let Err(closing) = live.run(talk).await {
    ///     closing
    ///         .farewell(|end| socket.close(end.reason().to_string()))
    ///         .await;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn run<F: Future>(self, body: F) -> Run<F> {
        // From here on a close leaves the undo to the returned future, which drops `body`
        // first. `Err` if the connection has closed: then `body` is never polled.
        let _: Result<(), Closed> = self.lifecycle().own();
        Run {
            live: Some(self),
            body: Some(body),
            waker: WakerSlot::default(),
        }
    }
}

impl<F> Run<F> {
    pub(super) fn live(&self) -> &Live {
        self.live.as_ref().expect("`Run` used after completion")
    }

    /// The same connection with another loop, which `map` makes of this one. `map` must not
    /// panic.
    pub(super) fn map_body<T>(mut self, map: impl FnOnce(F) -> T) -> Run<T> {
        Run {
            body: self.body.take().map(map),
            live: self.live.take(),
            waker: std::mem::take(&mut self.waker),
        }
    }
}

impl<F: Future> Future for Run<F> {
    type Output = Result<F::Output, Closing>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let live = this.live.as_ref().expect("`Run` polled after completion");
        let lifecycle = live.lifecycle();
        let closed = match lifecycle.closed() {
            Some(closed) => closed,
            None => match FailOnPanic::poll(lifecycle, this.body.as_mut(), |body| body.poll(cx)) {
                Poll::Ready(output) => {
                    // `Err` if another close won during this last poll.
                    let unwind = lifecycle.begin_close(CloseReason::Completed);
                    this.body.set(None);
                    drop(unwind);
                    *this.live = None;
                    return Poll::Ready(Ok(output));
                }
                Poll::Pending => ready!(this.waker.poll_closed(lifecycle, cx)),
            },
        };
        this.body.set(None);
        let live = this.live.take().expect("just seen");
        Poll::Ready(Err(Closing::new(live, closed)))
    }
}

impl<F> fmt::Debug for Run<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("live", &self.live)
            .finish_non_exhaustive()
    }
}
