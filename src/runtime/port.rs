//! A runtime that is kept without an allocation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Runtime;
use super::timer::{Given, Timer};

/// The runtime that a connection's time comes from. That of tokio is kept as it is: in an `Arc` of
/// its own each connection would allocate one.
pub(crate) enum Port {
    Given(Arc<dyn Runtime>),
    #[cfg(feature = "tokio")]
    Tokio(::tokio::runtime::Handle),
}

impl Port {
    /// The time, and a timer from then on.
    pub(crate) fn start(self, duration: Duration) -> (Instant, Timer) {
        match self {
            Self::Given(runtime) => {
                let (now, sleep) = (runtime.now(), runtime.sleep(duration));
                (now, Timer::new(Given { runtime, sleep }))
            }
            #[cfg(feature = "tokio")]
            Self::Tokio(handle) => {
                let (now, timer) = super::tokio::start(handle, duration);
                (now, Timer::new(timer))
            }
        }
    }

    pub(super) fn into_arc(self) -> Arc<dyn Runtime> {
        match self {
            Self::Given(runtime) => runtime,
            #[cfg(feature = "tokio")]
            Self::Tokio(handle) => Arc::new(handle),
        }
    }
}
