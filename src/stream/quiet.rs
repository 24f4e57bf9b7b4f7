//! When nothing was sent for a period.

use std::fmt;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::runtime::{Port, Timer};

/// Thirty years, as in tokio: the clock overflows with a longer timer.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 86_400);

/// Finds that nothing was sent for a period, without a clock read and without a timer per
/// item.
///
/// An item only sets a flag. A timer fires twice per period, and reads the clock: if the
/// flag is set, the item is dated to the tick before, so a pause is found when it has
/// lasted for between half of the period and the period.
pub(super) struct Quiet {
    timer: Timer,
    /// In nanoseconds.
    period: u64,
    /// The timer fired at this time, or was made.
    tick: Instant,
    /// Nothing was sent for so long before the tick, or for less: in nanoseconds.
    pause: u64,
    /// Something was sent since the tick.
    sent: bool,
    /// The pause has lasted for the period.
    over: bool,
    /// The timer has fired, and resumes when it is waited for.
    fired: bool,
}

impl Quiet {
    pub(super) fn new(period: Duration, runtime: Port) -> Self {
        // No timer is finer; a period of zero would never let other tasks run.
        let period = period.clamp(Duration::from_millis(1), LONGEST);
        let (now, timer) = runtime.start(period / 2);
        Self {
            timer,
            period: nanos(period),
            tick: now,
            pause: 0,
            sent: false,
            over: false,
            fired: false,
        }
    }

    pub(super) fn period(&self) -> Duration {
        Duration::from_nanos(self.period)
    }

    /// An item is sent now.
    pub(super) fn item(&mut self) {
        self.sent = true;
        self.over = false;
    }

    /// A heartbeat is sent now: `poll_over` was `Ready`.
    pub(super) fn heartbeat(&mut self) {
        self.pause = 0;
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
        if std::mem::take(&mut self.fired) {
            self.timer.resume(self.tick, self.next());
        }
        self.timer.poll(cx)
    }

    /// How long after the latest tick the next one is due: the same after something was sent.
    #[cold]
    fn next(&self) -> Duration {
        let half = self.period / 2;
        Duration::from_nanos(match self.period.saturating_sub(self.pause) {
            0 => half,
            left => left.min(half),
        })
    }

    /// The timer has fired.
    #[cold]
    fn poll_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = self.timer.now();
            let half = self.period / 2;
            let since_tick = nanos(now.saturating_duration_since(self.tick));
            self.pause = match std::mem::take(&mut self.sent) {
                // A tick that comes late dates nothing to more than half a period ago.
                true => since_tick.min(half),
                false => self.pause.saturating_add(since_tick),
            };
            self.tick = now;
            self.timer.fired(self.next());
            self.fired = true;
            self.over = self.pause >= self.period;
            if self.over {
                return Poll::Ready(());
            }
            ready!(self.poll_timer(cx));
        }
    }
}

/// Of more than 500 years as many as fit.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quiet")
            .field("period", &self.period())
            .finish_non_exhaustive()
    }
}
