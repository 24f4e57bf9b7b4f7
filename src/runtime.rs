//! What a scope may be given to keep its deadlines by itself.

#[cfg(feature = "tokio")]
mod tokio;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(feature = "tokio")]
pub(crate) use tokio::current;

/// A future that is owned and can be sent anywhere.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Tasks and time, for a [`Scope`](crate::Scope) that is
/// [given](crate::ScopeBuilder::runtime) one: the core has neither.
///
/// With the feature `tokio`, a `tokio::runtime::Handle` is one. An `Arc` of one is one.
pub trait Runtime: Send + Sync {
    /// Runs `task` in the background to its end, or drops it when the runtime shuts
    /// down.
    ///
    /// It is called from anywhere: from a `Drop`, outside the runtime, after its end.
    /// Where it cannot run `task` it drops it, and does not panic.
    fn spawn(&self, task: BoxFuture<()>);

    /// The time.
    fn now(&self) -> Instant;

    /// Completes when `duration` has passed.
    fn sleep(&self, duration: Duration) -> BoxFuture<()>;
}

impl<R: Runtime + ?Sized> Runtime for Arc<R> {
    fn spawn(&self, task: BoxFuture<()>) {
        (**self).spawn(task);
    }

    fn now(&self) -> Instant {
        (**self).now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        (**self).sleep(duration)
    }
}
