//! A runtime that is kept without an allocation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{BoxFuture, Runtime};

/// The runtime that a connection's time comes from. That of tokio is kept as it is: in an `Arc` of
/// its own each connection would allocate one.
pub(crate) enum Port {
    Given(Arc<dyn Runtime>),
    #[cfg(feature = "tokio")]
    Tokio(::tokio::runtime::Handle),
}

impl Port {
    pub(crate) fn now(&self) -> Instant {
        self.get().now()
    }

    pub(crate) fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        self.get().sleep(duration)
    }

    /// The time, and a timer from then on.
    pub(crate) fn start(&self, duration: Duration) -> (Instant, BoxFuture<()>) {
        match self {
            Self::Given(runtime) => (runtime.now(), runtime.sleep(duration)),
            #[cfg(feature = "tokio")]
            Self::Tokio(handle) => super::tokio::start(handle, duration),
        }
    }

    pub(super) fn into_arc(self) -> Arc<dyn Runtime> {
        match self {
            Self::Given(runtime) => runtime,
            #[cfg(feature = "tokio")]
            Self::Tokio(handle) => Arc::new(handle),
        }
    }

    fn get(&self) -> &dyn Runtime {
        match self {
            Self::Given(runtime) => runtime,
            #[cfg(feature = "tokio")]
            Self::Tokio(handle) => handle,
        }
    }
}
