//! When nothing was sent for a period.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::runtime::{BoxFuture, Port};

/// Thirty years, as in tokio: the clock overflows with a longer timer.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 86_400);

/// Finds that nothing was sent for a period, without a clock read and without a timer per
/// item.
///
/// An item only sets a flag. A timer fires twice per period, and reads the clock: if the
/// flag is set, the item is dated to the tick before, so a pause is found when it has
/// lasted for between half of the period and the period.
pub(super) struct Quiet {
    pub(super) period: Duration,
    runtime: Port,
    /// In a `Mutex`, which is never locked, to be `Sync`.
    timer: Mutex<BoxFuture<()>>,
    /// The timer fired at this time, or was made.
    tick: Instant,
    /// Something was sent at this time, or later, but before the tick.
    last: Instant,
    /// Something was sent since the tick.
    sent: bool,
    /// The pause has lasted for the period.
    over: bool,
}

impl Quiet {
    pub(super) fn new(period: Duration, runtime: Port) -> Self {
        // No timer is finer; a period of zero would never let other tasks run.
        let period = period.clamp(Duration::from_millis(1), LONGEST);
        let (now, timer) = runtime.start(period / 2);
        Self {
            period,
            timer: Mutex::new(timer),
            runtime,
            tick: now,
            last: now,
            sent: false,
            over: false,
        }
    }

    /// An item is sent now.
    pub(super) fn item(&mut self) {
        self.sent = true;
        self.over = false;
    }

    /// A heartbeat is sent now: `poll_over` was `Ready`.
    pub(super) fn heartbeat(&mut self) {
        self.last = self.tick;
        self.over = false;
    }

    /// `Ready` once the pause has lasted for the period, and from then on until something is
    /// sent.
    #[inline]
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.over {
            ready!(self.poll_timer(cx));
            return self.poll_on(cx);
        }
        Poll::Ready(())
    }

    #[inline]
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_mut();
        let timer = timer.unwrap_or_else(PoisonError::into_inner);
        timer.as_mut().poll(cx)
    }

    /// The timer has fired.
    #[cold]
    fn poll_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = self.runtime.now();
            let half = self.period / 2;
            if std::mem::take(&mut self.sent) {
                // A tick that comes late dates nothing to more than half a period ago.
                let late = now.checked_sub(half).unwrap_or(self.tick);
                self.last = self.tick.max(late);
            }
            self.tick = now;
            let left = (self.last + self.period).saturating_duration_since(now);
            self.over = left.is_zero();
            let next = if self.over { half } else { left.min(half) };
            self.timer = Mutex::new(self.runtime.sleep(next));
            if self.over {
                return Poll::Ready(());
            }
            ready!(self.poll_timer(cx));
        }
    }
}

impl fmt::Debug for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quiet")
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}
