//! A future that is ready and panics as it is dropped.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// It panics with this message.
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
