//! A loop of one's own on a live connection: a WebSocket, say.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::live::Live;
use crate::owner::{Parking, Polling};
use crate::state::{CloseReason, Closed};

pin_project! {
    /// Future of [`Live::run`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Run<F> {
        live: Live,
        // Dropped as soon as it has ended.
        #[pin]
        future: Option<F>,
        parking: Parking,
    }

    impl<F> PinnedDrop for Run<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // Newest first: the future goes after the close and before the undo.
            let unwind = this.live.lifecycle().begin_release(CloseReason::Dropped);
            this.future.set(None);
            drop(unwind);
        }
    }
}

impl<F> Run<F> {
    pub(crate) fn new(live: Live, future: F) -> Self {
        Self {
            live,
            future: Some(future),
            parking: Parking::default(),
        }
    }
}

impl<F: Future> Future for Run<F> {
    type Output = Result<F::Output, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let lifecycle = this.live.lifecycle();
        assert!(this.future.is_some(), "`Run` polled after completion");

        if let Some(closed) = lifecycle.closed() {
            this.future.set(None);
            return Poll::Ready(Err(closed));
        }
        let polled = Polling::poll(lifecycle, this.future.as_mut(), |future| future.poll(cx));

        match polled {
            Poll::Ready(output) => {
                // Whoever closed it during this last poll had a reason, and the
                // output is there all the same.
                let ended = lifecycle.begin_close(CloseReason::Completed);
                this.future.set(None);
                drop(ended);
                Poll::Ready(Ok(output))
            }
            Poll::Pending => {
                let closed = ready!(this.parking.poll_closed(lifecycle, cx));
                this.future.set(None);
                Poll::Ready(Err(closed))
            }
        }
    }
}

impl<F> fmt::Debug for Run<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("live", &self.live)
            .finish_non_exhaustive()
    }
}
