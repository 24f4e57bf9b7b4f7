//! Leaving the cluster.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::select;

use super::state::{Node, Stage};

impl Node {
    /// Says that this node is about to leave, with a renewal at once.
    pub(crate) fn begin_drain(&self) {
        self.enter(Stage::Draining);
    }

    /// Leaves, in the background.
    pub(crate) fn begin_to_leave(&self) {
        self.enter(Stage::Leaving);
    }

    /// Leaves, and waits until it has.
    pub(crate) async fn leave(&self) {
        self.begin_to_leave();
        let mut place = self.changed.place();
        poll_fn(|cx| {
            place.register(cx.waker());
            match self.stage() {
                Stage::Left => Poll::Ready(()),
                Stage::Running | Stage::Draining | Stage::Leaving => Poll::Pending,
            }
        })
        .await;
    }

    /// Waits until no seat is left, at most for so long.
    pub(super) async fn seats_given_back(&self, at_most: Duration) {
        let mut place = self.changed.place();
        let none_left = poll_fn(|cx| {
            place.register(cx.waker());
            match self.seats() {
                0 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        });
        select(none_left, self.parts.runtime.sleep(at_most)).await;
    }
}
