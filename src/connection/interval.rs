//! Ticks for a loop of one's own.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::Live;
use crate::lifecycle::Lifecycle;
use crate::runtime::{BoxFuture, NoRuntime, Runtime};

impl Live {
    /// Ticks every `period`, for a loop in [`run`](Self::run) that has to speak although
    /// nothing happens: the pings of a WebSocket.
    ///
    /// A peer answers each ping, so a loop that ends at a message which is no text ends at the first
    /// answer.
    ///
    /// For a stream or a body there are heartbeats:
    /// [`heartbeat_every`](crate::LiveStream::heartbeat_every). A `period` of less than a
    /// millisecond is one of a millisecond.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`] if there is no [runtime](crate::runtime) to take the time from.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hangup::{Deadlines, Scope};
    /// # struct Socket;
    /// # impl Socket {
    /// #     async fn recv(&mut self) -> Option<String> { std::future::pending().await }
    /// #     async fn ping(&mut self) {}
    /// # }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # let mut socket = Socket;
    /// // The peer answers each ping. One that answers none for 75 seconds is idle.
    /// let idle = Deadlines::new().idle(Duration::from_secs(75));
    /// let scope = Scope::builder().deadlines(idle).build();
    /// let live = scope.live()?;
    /// let (handle, mut pings) = (live.handle(), live.interval(Duration::from_secs(30))?);
    /// let talk = async {
    ///     loop {
    ///         tokio::select! {
    ///             message = socket.recv() => match message {
    ///                 Some(_) => handle.touch(),
    ///                 None => break,
    ///             },
    ///             () = pings.tick() => socket.ping().await,
    ///         }
    ///     }
    /// };
    /// // This peer is silent.
    /// let closing = live.run(talk).await.unwrap_err();
    /// assert_eq!(closing.reason(), hangup::CloseReason::Idle);
    /// # Ok(())
    /// # }
    /// ```
    pub fn interval(&self, period: Duration) -> Result<Interval, NoRuntime> {
        Interval::new(self.lifecycle(), period)
    }
}

/// Ticks at a fixed period. Made by [`Live::interval`].
#[must_use = "an interval ticks only when it is polled"]
pub struct Interval {
    period: Duration,
    /// In a `Mutex`, which is never locked, to be `Sync`.
    timer: Mutex<BoxFuture<()>>,
    runtime: Arc<dyn Runtime>,
}

impl Interval {
    pub(crate) fn new(lifecycle: &Lifecycle, period: Duration) -> Result<Self, NoRuntime> {
        let runtime = lifecycle.runtime().ok_or(NoRuntime)?;
        // No timer is finer; a period of zero would never let other tasks run.
        let period = period.max(Duration::from_millis(1));
        Ok(Self {
            period,
            timer: Mutex::new(runtime.sleep(period)),
            runtime,
        })
    }

    /// Resolves `period` after the tick before, or after the interval was made. If it is not
    /// awaited for longer than that, one tick stands for all that were missed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no tick.
    pub async fn tick(&mut self) {
        poll_fn(|cx| self.poll_tick(cx)).await;
    }

    /// [`tick`](Self::tick), for futures that are written by hand.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_mut();
        let timer = timer.unwrap_or_else(PoisonError::into_inner);
        ready!(timer.as_mut().poll(cx));
        // A timer that is ready must not be polled again.
        *timer = self.runtime.sleep(self.period);
        Poll::Ready(())
    }

    pub(crate) fn period(&self) -> Duration {
        self.period
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}
