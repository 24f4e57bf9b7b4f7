//! A time in which nothing is sent.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::tokio::time::{Instant, Sleep, sleep};
use pin_project_lite::pin_project;

/// Thirty years, as in tokio: with more the clock overflows.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 86_400);

pin_project! {
    /// The time in which nothing is sent.
    pub(super) struct Pause {
        pub(super) period: Duration,
        begun: Instant,
        // Moved only when it fires, not whenever a pause begins.
        #[pin]
        timer: Sleep,
    }
}

impl Pause {
    pub(super) fn new(period: Duration) -> Self {
        // No timer is finer, and none at all would never let go.
        let period = period.clamp(Duration::from_millis(1), LONGEST);
        Self {
            period,
            begun: Instant::now(),
            timer: sleep(period),
        }
    }

    /// Something is sent now.
    pub(super) fn begin(self: Pin<&mut Self>) {
        *self.project().begun = Instant::now();
    }

    /// `Ready` when it has lasted for the period, and from then on, until the next begins.
    pub(super) fn poll_over(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            ready!(this.timer.as_mut().poll(cx));
            let due = *this.begun + *this.period;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            this.timer.as_mut().reset(due);
        }
    }
}
