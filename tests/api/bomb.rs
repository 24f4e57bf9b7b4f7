//! Futures that panic.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// It is ready, and panics with this message as it is dropped.
pub(crate) struct Bomb(pub(crate) &'static str);

impl Future for Bomb {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

/// Panics when it is polled, and when it is dropped.
pub(crate) struct TwoBombs;

impl Future for TwoBombs {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        panic!("poll");
    }
}

impl Drop for TwoBombs {
    fn drop(&mut self) {
        panic!("drop");
    }
}
