//! A goodbye that belongs to the connection.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::Live;
use crate::error::Error;
use crate::lifecycle::{End, FailOnPanic, Handle, Label};
use crate::runtime::BoxFuture;
use crate::state::{CloseReason, Closed};

/// A connection that has closed and has not been undone: what [`Live::run`] returns when a
/// close from elsewhere ends its loop.
///
/// Dropping it undoes. It is no [`Error`](std::error::Error), since an error that is kept
/// would keep the connection from settling; it converts into [`Closed`], which undoes too.
#[must_use = "dropping it undoes the connection without a goodbye"]
#[derive(Debug)]
pub struct Closing {
    live: Live,
    closed: Closed,
}

impl Closing {
    pub(super) fn new(live: Live, closed: Closed) -> Self {
        Self { live, closed }
    }

    /// How the connection closed.
    #[must_use]
    pub fn closed(&self) -> Closed {
        self.closed
    }

    /// Why the connection closed.
    #[must_use]
    pub fn reason(&self) -> CloseReason {
        self.closed.reason
    }

    /// How the connection closed, in which words, and by whom.
    #[must_use]
    pub fn end(&self) -> End {
        self.live.lifecycle().end(self.closed)
    }

    /// A handle to the connection.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.live.handle()
    }

    /// Says goodbye to the peer: runs what `goodbye` returns, for a second at most, or
    /// [`within`](Farewell::within) another time.
    ///
    /// The goodbye belongs to the connection: the undo begins after it, so the caps of the
    /// scope, [`Handle::settled`], a take-over of the key and a drain wait for it. It is cut
    /// if its time is over, if the [undo deadline](crate::Deadlines::undo) passes, and at the
    /// deadline of a drain; then [`Settled::abandoned`](crate::report::Settled::abandoned) reports it
    /// as `farewell`. So it is if the connection has no [runtime](crate::runtime) to take the
    /// time from: then it does not begin.
    ///
    /// If the connection had closed before [`Live::run`] was called, it has been undone
    /// already, and only the time limits the goodbye.
    ///
    /// Returns what the goodbye returned, or `None` if it was cut.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the goodbye, and the undo begins.
    #[track_caller]
    pub fn farewell<F, Fut>(self, goodbye: F) -> Farewell<F, Fut>
    where
        F: FnOnce(End) -> Fut,
        Fut: Future,
    {
        Farewell {
            closing: Some(self),
            progress: Progress::NotStarted,
            goodbye: Some(goodbye),
            future: None,
            within: Duration::from_secs(1),
            timer: None,
            place: Location::caller(),
        }
    }
}

impl From<Closing> for Closed {
    fn from(closing: Closing) -> Self {
        closing.closed
    }
}

impl From<Closing> for Error {
    fn from(closing: Closing) -> Self {
        Self::Closed(closing.closed)
    }
}

pin_project! {
    /// Future of [`Closing::farewell`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Farewell<F, Fut> {
        // `None` once it is complete.
        closing: Option<Closing>,
        progress: Progress,
        goodbye: Option<F>,
        #[pin]
        future: Option<Fut>,
        within: Duration,
        timer: Option<BoxFuture<()>>,
        place: &'static Location<'static>,
    }

    impl<F, Fut> PinnedDrop for Farewell<F, Fut> {
        fn drop(this: Pin<&mut Self>) {
            // Not begun is not cut: the application has decided against it.
            let was_cut = this.progress == Progress::InFlight;
            this.end(was_cut);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    NotStarted,
    InFlight,
}

impl<F, Fut> Farewell<F, Fut> {
    /// Limits the goodbye to `time`, instead of a second.
    pub fn within(mut self, time: Duration) -> Self {
        self.within = time;
        self
    }

    fn end(self: Pin<&mut Self>, was_cut: bool) {
        let mut this = self.project();
        let Some(closing) = this.closing.take() else {
            return;
        };
        // Ends after the goodbye is dropped, also if that drop panics.
        let _ending = Ending { closing, was_cut };
        *this.timer = None;
        *this.goodbye = None;
        this.future.set(None);
    }
}

/// Ends the goodbye and undoes the connection when it is dropped.
struct Ending {
    closing: Closing,
    was_cut: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.closing.live.lifecycle().end_farewell(self.was_cut);
    }
}

impl<F, Fut> Future for Farewell<F, Fut>
where
    F: FnOnce(End) -> Fut,
    Fut: Future,
{
    type Output = Option<Fut::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        let closing = this.closing.as_ref();
        let closing = closing.expect("`Farewell` polled after completion");
        let lifecycle = closing.live.lifecycle();
        if *this.progress == Progress::NotStarted {
            *this.progress = Progress::InFlight;
            lifecycle.begin_farewell(Label {
                name: "farewell".into(),
                place: this.place,
            });
            *this.timer = lifecycle
                .runtime()
                .map(|runtime| runtime.sleep(*this.within));
        }
        let Some(timer) = this.timer.as_mut() else {
            self.end(true);
            return Poll::Ready(None);
        };
        if lifecycle.is_farewell_abandoned(cx.waker()) {
            self.end(true);
            return Poll::Ready(None);
        }
        if let Some(goodbye) = this.goodbye.take() {
            let future = goodbye(closing.end());
            this.future.set(Some(future));
        }
        // A panic drops the goodbye, contained: a second one would abort the process.
        let future = this.future.as_mut();
        let polled = FailOnPanic::poll(lifecycle, future, |future| future.poll(cx));
        if let Poll::Ready(output) = polled {
            self.end(false);
            return Poll::Ready(Some(output));
        }
        if timer.as_mut().poll(cx).is_ready() {
            self.end(true);
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}

impl<F, Fut> fmt::Debug for Farewell<F, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Farewell")
            .field("closing", &self.closing)
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}
