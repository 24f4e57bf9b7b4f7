//! Step by step: each call can be stopped before its effect and before its answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::BoxFuture;

use super::{memory, nodes};
use crate::engine::{Claims, Log, Swapped};
use crate::memory::Link;

/// A waker that counts.
pub(super) struct CountingWaker {
    pub(super) count: Arc<AtomicU32>,
    pub(super) waker: Waker,
}

impl CountingWaker {
    pub(super) fn new() -> Self {
        let count = Arc::default();
        let waker = Waker::from(Arc::new(Count(Arc::clone(&count))));
        Self { count, waker }
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }
}

struct Count(Arc<AtomicU32>);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn each_call_is_pending_twice_and_wakes_itself() {
    let memory = memory();
    let (a, _b) = nodes(&memory).await;
    a.step_by_step(true);
    let CountingWaker { count, waker } = CountingWaker::new();
    let mut swap = a.swap("k", None, b"v".to_vec(), None);
    for wakes in 1..=2 {
        assert!(
            swap.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        assert_eq!(count.load(Ordering::Relaxed), wakes);
        // The effect is between the two.
        let is_written = memory.load("k").await.unwrap().is_some();
        assert_eq!(is_written, wakes == 2);
    }
    assert!(
        swap.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
    );
}

/// Reads the record and writes itself behind what it has read.
async fn append(link: &Link, letter: u8) {
    loop {
        let record = link.load("k").await.unwrap();
        let (expected, mut value) = match record {
            Some(record) => (Some(record.revision), record.value),
            None => (None, Vec::new()),
        };
        value.push(letter);
        let swapped = link.swap("k", expected, value, None).await.unwrap();
        if let Swapped::Done(_) = swapped {
            link.publish("t", &letter.to_string(), vec![letter])
                .await
                .unwrap();
            return;
        }
    }
}

/// Runs two nodes, the bits of `order` saying who is polled next, and returns what they leave.
async fn run(order: u32) -> (Vec<u8>, u64) {
    let memory = memory();
    let (a, b) = nodes(&memory).await;
    a.step_by_step(true);
    b.step_by_step(true);
    let mut tasks: [Option<BoxFuture<'_, ()>>; 2] = [
        Some(Box::pin(append(&a, b'a'))),
        Some(Box::pin(append(&b, b'b'))),
    ];
    let mut cx = Context::from_waker(Waker::noop());
    for turn in 0.. {
        if tasks.iter().all(Option::is_none) {
            break;
        }
        let chosen = (order >> (turn % 14) & 1) as usize;
        let other = 1 - chosen;
        let next = if tasks[chosen].is_some() {
            chosen
        } else {
            other
        };
        if let Some(Poll::Ready(())) = tasks[next].as_mut().map(|task| task.as_mut().poll(&mut cx))
        {
            tasks[next] = None;
        }
    }
    let record = memory.load("k").await.unwrap().unwrap();
    (record.value, a.calls() + b.calls())
}

#[tokio::test]
async fn two_nodes_run_in_every_order_and_lose_no_write() {
    let mut seen = BTreeSet::new();
    for order in 0..1 << 14 {
        seen.insert(run(order).await);
    }
    let values: BTreeSet<_> = seen.iter().map(|(value, _)| value.as_slice()).collect();
    assert_eq!(values, BTreeSet::from([b"ab".as_slice(), b"ba"]));
    // Without a conflict there are four calls of each; some orders have one.
    let calls: BTreeSet<_> = seen.iter().map(|(_, calls)| *calls).collect();
    assert_eq!(calls, BTreeSet::from([8, 10]));
}
