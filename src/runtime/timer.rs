//! A timer that is set again and again, with its clock.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::{BoxFuture, Runtime};

/// With tokio it is one allocation, which is kept as long as the timer.
///
/// In a `Mutex`, which is never locked, to be `Sync`.
pub(crate) struct Timer(Mutex<Pin<Box<dyn Set + Send>>>);

/// What a runtime makes of a timer.
pub(super) trait Set {
    fn now(&self) -> Instant;

    /// Fires `duration` after `now`, which has just been read, instead of when it was to before.
    fn set(self: Pin<&mut Self>, now: Instant, duration: Duration);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;
}

impl Timer {
    pub(super) fn new(timer: impl Set + Send + 'static) -> Self {
        Self(Mutex::new(Box::pin(timer)))
    }

    pub(crate) fn now(&mut self) -> Instant {
        self.get().now()
    }

    /// See [`Set::set`].
    pub(crate) fn set(&mut self, now: Instant, duration: Duration) {
        self.get().as_mut().set(now, duration);
    }

    /// `Ready` once it has fired. Not to be polled again then, until it is [set](Self::set).
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.get().as_mut().poll(cx)
    }

    #[inline]
    fn get(&mut self) -> &mut Pin<Box<dyn Set + Send>> {
        let timer = self.0.get_mut();
        timer.unwrap_or_else(PoisonError::into_inner)
    }
}

/// The timers of a runtime, one after the other.
pub(super) struct Given {
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) sleep: BoxFuture<()>,
}

impl Set for Given {
    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn set(mut self: Pin<&mut Self>, _: Instant, duration: Duration) {
        self.sleep = self.runtime.sleep(duration);
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.as_mut().poll(cx)
    }
}
