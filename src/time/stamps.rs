//! The time of an event, dated by the sweeps after it.
//!
//! The code that records an event reads no clock: it marks the stamp as new. The next
//! sweep marks it as seen, and the sweep after that dates it with its own time. One sweep
//! is not enough, since the time of a sweep is read before the sweep runs: an event that
//! happens while it runs would be dated too early, and a deadline would pass early.
//!
//! ORDERING: all Relaxed. Only a deadline depends on a stamp, and deadlines are coarse; a
//! sweep closes through the word.

use crate::sync::{AtomicU64, Ordering};

/// The packed [`Stamp`] of one event.
pub(super) struct AtomicStamp(AtomicU64);

/// When an event happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    /// After the latest sweep began.
    New,
    /// After the sweep before the latest one began.
    Seen,
    /// At or before this time, in nanoseconds by a clock of the sweeps.
    At(u64),
    /// The event has not happened, or no longer counts.
    Off,
}

const NEW: u64 = 0;
const SEEN: u64 = 1;
const OFF: u64 = u64::MAX;

impl Stamp {
    const fn pack(self) -> u64 {
        match self {
            Self::New => NEW,
            Self::Seen => SEEN,
            Self::At(time) => time,
            Self::Off => OFF,
        }
    }

    const fn unpack(packed: u64) -> Self {
        match packed {
            NEW => Self::New,
            SEEN => Self::Seen,
            OFF => Self::Off,
            time => Self::At(time),
        }
    }
}

impl AtomicStamp {
    pub(super) fn new(stamp: Stamp) -> Self {
        Self(AtomicU64::new(stamp.pack()))
    }

    pub(super) fn load(&self) -> Stamp {
        Stamp::unpack(self.0.load(Ordering::Relaxed))
    }

    #[cfg(not(hangup_loom))]
    pub(super) fn set(&self, stamp: Stamp) {
        self.0.store(stamp.pack(), Ordering::Relaxed);
    }

    /// A swap, since loom lets a store take effect in the middle of an earlier exchange.
    #[cfg(hangup_loom)]
    pub(super) fn set(&self, stamp: Stamp) {
        self.0.swap(stamp.pack(), Ordering::Relaxed);
    }

    /// Marks the event as new. A load, unless a sweep has seen it since the last time.
    pub(super) fn renew(&self) {
        if self.load() != Stamp::New {
            self.0.store(NEW, Ordering::Relaxed);
        }
    }

    /// Marks the event as new if it was off; else it stays as old as it was.
    pub(super) fn renew_if_off(&self) {
        // A failure means that it was not off.
        let _: Result<u64, u64> =
            self.0
                .compare_exchange(OFF, NEW, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// How long ago the event happened, for a sweep at `now`, in nanoseconds: 0 if it is
    /// off or has no date. Moves an undated stamp one step closer to its date, so a sweep
    /// calls this once.
    pub(super) fn age(&self, now: u64) -> u64 {
        let stamp = self.load();
        let next = match stamp {
            Stamp::New => Stamp::Seen,
            Stamp::Seen => Stamp::At(now),
            Stamp::At(time) => return now.saturating_sub(time),
            Stamp::Off => return 0,
        };
        // A failure means that the event has happened again, or is off.
        let _: Result<u64, u64> = self.0.compare_exchange(
            stamp.pack(),
            next.pack(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        0
    }
}
