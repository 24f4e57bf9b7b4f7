//! A flag that one task waits for.

use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// A flag that one task waits for. A signal that comes while it does not wait is kept.
#[derive(Default)]
pub(crate) struct Signal {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_set: bool,
    waiter: Option<Waker>,
}

impl Signal {
    pub(crate) fn set(&self) {
        let waiter = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.is_set = true;
            state.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    /// Waits until it is set, and takes it back.
    pub(crate) async fn wait(&self) {
        poll_fn(|cx| {
            // A clone and a drop are code of the executor: not under the lock (I8).
            let waker = cx.waker().clone();
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if std::mem::take(&mut state.is_set) {
                return Poll::Ready(());
            }
            let replaced = state.waiter.replace(waker);
            drop(state);
            drop(replaced);
            Poll::Pending
        })
        .await;
    }
}
