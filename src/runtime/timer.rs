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

    /// It has fired, and is to fire again `duration` from now.
    fn fired(self: Pin<&mut Self>, duration: Duration);

    /// It is polled next: it is to fire `duration` after it has `fired`.
    fn resume(self: Pin<&mut Self>, fired: Instant, duration: Duration);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;
}

impl Timer {
    pub(super) fn new(timer: impl Set + Send + 'static) -> Self {
        Self(Mutex::new(Box::pin(timer)))
    }

    pub(crate) fn now(&mut self) -> Instant {
        self.get().now()
    }

    /// See [`Set::fired`].
    pub(crate) fn fired(&mut self, duration: Duration) {
        self.get().as_mut().fired(duration);
    }

    /// See [`Set::resume`].
    pub(crate) fn resume(&mut self, fired: Instant, duration: Duration) {
        self.get().as_mut().resume(fired, duration);
    }

    /// `Ready` once it has [fired](Self::fired). Not to be polled again then, until it
    /// [resumes](Self::resume).
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

    fn fired(mut self: Pin<&mut Self>, duration: Duration) {
        self.sleep = self.runtime.sleep(duration);
    }

    fn resume(self: Pin<&mut Self>, _: Instant, _: Duration) {}

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.as_mut().poll(cx)
    }
}
