//! A turn of the tasks that are ready.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::runtime::Runtime;
use crate::sync::waiters::wake;
use crate::sync::{Mutex, lock};

/// Waits until a task that is spawned now has run twice: an executor that polls in the order in
/// which tasks become ready has polled all others by then. The second run is for executors that
/// run a new task first.
///
/// Others may differ, so only the order of what is done may depend on it.
pub(super) async fn turn(runtime: &Arc<dyn Runtime>) {
    let turn = Arc::new(Mutex::new(Turn::default()));
    runtime.spawn(Box::pin(Last {
        turn: Arc::clone(&turn),
        has_run: false,
    }));
    poll_fn(|cx| {
        let mut turn = lock(&turn);
        if turn.is_over {
            return Poll::Ready(());
        }
        let replaced = turn.waker.replace(cx.waker().clone());
        drop(turn);
        drop(replaced);
        Poll::Pending
    })
    .await;
}

#[derive(Default)]
struct Turn {
    is_over: bool,
    waker: Option<Waker>,
}

/// The task. The turn is over when it is dropped, which an executor that shuts down does too.
struct Last {
    turn: Arc<Mutex<Turn>>,
    has_run: bool,
}

impl Future for Last {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.has_run, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        let mut turn = lock(&self.turn);
        turn.is_over = true;
        let waker = turn.waker.take();
        drop(turn);
        waker.into_iter().for_each(wake);
    }
}
