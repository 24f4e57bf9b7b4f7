//! Long work in portions, between which other tasks run.

use std::future::poll_fn;
use std::task::Poll;

/// After how many connections other tasks run.
const PORTION: usize = 1024;

/// To be awaited for each connection, by its index.
pub(crate) async fn cooperate(index: usize) {
    if index % PORTION == PORTION - 1 {
        let mut has_waited = false;
        poll_fn(|cx| {
            if has_waited {
                return Poll::Ready(());
            }
            has_waited = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}
