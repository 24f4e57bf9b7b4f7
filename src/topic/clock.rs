//! Where a topic reads the time.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::runtime::Runtime;

#[derive(Clone)]
pub(super) enum Clock {
    /// No lane limits ages.
    Off,
    Runtime(Arc<dyn Runtime>),
    /// [`Topic::expire`](super::Topic::expire) alone tells the time.
    ByHand(Instant),
}

impl Clock {
    /// Calls user code: no lock may be held (I8).
    pub(super) fn now(&self) -> Option<Instant> {
        match self {
            Self::Off | Self::ByHand(_) => None,
            Self::Runtime(runtime) => Some(runtime.now()),
        }
    }

    /// The time that was told before.
    pub(super) fn told(&self) -> Option<Instant> {
        match self {
            Self::Off | Self::Runtime(_) => None,
            Self::ByHand(now) => Some(*now),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "Off",
            Self::Runtime(_) => "Runtime",
            Self::ByHand(_) => "ByHand",
        })
    }
}
