//! Several futures in one task, and a bound in time for one.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;

/// Runs all of them at once, and returns what they return, in their order.
pub(super) async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let woken = futures.into_iter().map(|future| Some(Woken::new(future)));
    let mut running: Vec<_> = woken.collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (slot, done) in running.iter_mut().zip(&mut done) {
            if let Some(future) = slot {
                if let Poll::Ready(value) = future.poll(cx) {
                    *done = Some(value);
                    *slot = None;
                }
            }
        }
        if running.iter().all(Option::is_none) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// Runs both at once.
pub(super) async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (Woken::new(a), Woken::new(b));
    let (mut of_a, mut of_b) = (None, None);
    poll_fn(|cx| {
        if of_a.is_none() {
            of_a = ready(a.poll(cx));
        }
        if of_b.is_none() {
            of_b = ready(b.poll(cx));
        }
        match (of_a.take(), of_b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (of_a, of_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// A future that is polled only when it has been woken, as if it were a task of its own: so that
/// one which is never woken is not polled with another.
struct Woken<F> {
    future: Pin<Box<F>>,
    own: Arc<Own>,
}

struct Own {
    is_woken: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl<F: Future> Woken<F> {
    fn new(future: F) -> Self {
        let own = Own {
            is_woken: AtomicBool::new(true),
            task: Mutex::default(),
        };
        Self {
            future: Box::pin(future),
            own: Arc::new(own),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        let task = cx.waker().clone();
        // Before the flag is looked at: a wake of now reaches this task.
        let before = self.own.task().replace(task);
        drop(before);
        if !self.own.is_woken.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let waker = Waker::from(Arc::clone(&self.own));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

impl Own {
    fn task(&self) -> MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Own {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        let task = self.task().take();
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// What `future` returns, unless `end` comes first.
pub(super) async fn until<T>(
    end: impl Future<Output = ()>,
    future: impl Future<Output = T>,
) -> Option<T> {
    let (mut end, mut future) = (pin!(end), pin!(future));
    poll_fn(|cx| {
        // The end is first: what is not woken in time is not polled with it.
        if end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

pub(super) async fn next<T>(stream: &mut Pin<Box<dyn Stream<Item = T> + Send>>) -> Option<T> {
    poll_fn(|cx| stream.as_mut().poll_next(cx)).await
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
