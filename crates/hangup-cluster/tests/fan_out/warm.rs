//! What a node reads when a key comes into use on it, and how it catches up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use hangup::runtime::{BoxFuture, Runtime};
use hangup::topic::{Cursor, Replay, Retention};
use hangup_cluster::engine::{Claims, Log};
use hangup_cluster::fan_out::{Subscription, Topics};
use hangup_cluster::memory::{Fate, Link, Memory, Method};

use crate::support::{
    decode, expect, expect_gap, expect_nothing, key, node, publish, settle, subscribe,
};

/// More than a feeder reads before those who wait for it have their turns.
const BACKLOG: u64 = 5_000;

/// How often the node of `link` has called a method.
fn count(link: &Link, method: Method) -> Arc<AtomicUsize> {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    link.fates(move |call| {
        let is_it = call.method == method;
        counted.fetch_add(usize::from(is_it), Ordering::Relaxed);
        Default::default()
    });
    calls
}

/// Subscribes with all of these before the feed begins.
async fn subscribe_all(topics: &Topics<u64>, replays: &[Replay]) -> Vec<Subscription<u64>> {
    let key = key();
    let subscribed = replays.iter().map(|replay| topics.subscribe(&key, *replay));
    let subscribed = futures::future::join_all(subscribed).await;
    subscribed.into_iter().map(Result::unwrap).collect()
}

#[tokio::test(start_paused = true)]
async fn clients_that_move_to_a_new_node_together_cost_one_stream() {
    let memory = Memory::on_current().unwrap();
    let (_, other) = node(&memory, 10);
    let mut cursors = vec![memory.end(key().as_str()).await.unwrap()];
    for number in 0..BACKLOG {
        cursors.push(other.publish(&key(), number.to_string()).await.unwrap());
    }
    let first_is = |replay| {
        let others = [5, 7, BACKLOG].map(|read| Replay::After(cursors[read as usize]));
        [&[replay][..], &others, &[Replay::Now]].concat()
    };
    for (replay, has) in [(Replay::After(cursors[5]), 5), (Replay::All, 0)] {
        for method in [Method::Read, Method::End] {
            let (link, topics) = node(&memory, 10_000);
            let calls = count(&link, method);
            let mut subscribed = subscribe_all(&topics, &first_is(replay)).await;
            for (events, has) in subscribed.iter_mut().zip([has, 5, 7, BACKLOG, BACKLOG]) {
                expect(events, has..BACKLOG).await;
                expect_nothing(events).await;
            }
            assert_eq!(calls.load(Ordering::Relaxed), 1, "{replay:?} {method:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn now_is_not_what_a_new_node_reads_for_others() {
    for cut in [false, true] {
        let memory = Memory::on_current().unwrap();
        let origin = memory.end(key().as_str()).await.unwrap();
        let ((_, other), (link, topics)) = (node(&memory, 10), node(&memory, 10));
        publish(&other, 0..BACKLOG).await;
        let replays = [Replay::After(origin), Replay::Now];
        let mut subscribed = subscribe_all(&topics, &replays).await;
        // Not all is in the ring yet.
        let mut later = subscribe(&topics, Replay::Now).await;
        if cut {
            link.cut();
            settle().await;
            let begun = topics.subscribe(&key(), Replay::Now).now_or_never();
            let mut third = begun.unwrap().unwrap();
            expect_nothing(&mut third).await;
            link.heal();
            publish(&other, [BACKLOG]).await;
            expect(&mut third, [BACKLOG]).await;
        } else {
            publish(&other, [BACKLOG]).await;
        }
        expect(&mut later, [BACKLOG]).await;
        expect(&mut subscribed[1], [BACKLOG]).await;
        expect(&mut subscribed[0], 0..BACKLOG + 1).await;
        for events in subscribed.iter_mut().chain([&mut later]) {
            expect_nothing(events).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_not_polled_resumes_where_it_started() {
    let memory = Memory::on_current().unwrap();
    let (_, topics) = node(&memory, 3);
    let origin = memory.end(key().as_str()).await.unwrap();
    publish(&topics, 0..7).await;
    let replays = [Replay::All, Replay::After(origin), Replay::Now];
    let subscribed = subscribe_all(&topics, &replays).await;
    publish(&topics, 7..9).await;
    settle().await;
    for (events, has) in subscribed.into_iter().zip([0, 0, 7]) {
        let cursor = events.cursor();
        drop(events);
        let mut events = subscribe(&topics, Replay::After(cursor)).await;
        expect(&mut events, has..9).await;
        expect_nothing(&mut events).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_of_the_log_that_is_not_answered_is_asked_for_by_the_subscriber() {
    let memory = Memory::on_current().unwrap();
    let (_, other) = node(&memory, 10);
    publish(&other, 0..20).await;
    let (link, topics) = node(&memory, 100);
    // The end, and then the start.
    link.fate_of(2, Fate::Lose { applied: true });
    let answered = count(&link, Method::Start);
    let mut all = subscribe(&topics, Replay::All).await;
    let mut now = subscribe(&topics, Replay::Now).await;
    publish(&other, 20..22).await;
    expect(&mut all, 0..22).await;
    expect(&mut now, 20..22).await;
    assert_eq!(answered.load(Ordering::Relaxed), 1);
}

/// Time passes with each item that is decoded.
struct Slow {
    runtime: tokio::runtime::Handle,
    decoded: Arc<AtomicU64>,
}

impl Runtime for Slow {
    fn spawn(&self, task: BoxFuture<()>) {
        Runtime::spawn(&self.runtime, task);
    }

    fn now(&self) -> Instant {
        let decoded = self.decoded.load(Ordering::Relaxed);
        Runtime::now(&self.runtime) + Duration::from_millis(10) * u32::try_from(decoded).unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Runtime::sleep(&self.runtime, duration)
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_backlog_does_not_hold_up_what_is_published_now() {
    let memory = Memory::on_current().unwrap();
    let (_, other) = node(&memory, 10);
    publish(&other, 0..1_000).await;
    for ring in [5, 2_000] {
        let decoded = Arc::new(AtomicU64::new(0));
        let (counted, runtime) = (Arc::clone(&decoded), tokio::runtime::Handle::current());
        let slow = Slow {
            runtime,
            decoded: Arc::clone(&decoded),
        };
        let decode = move |cursor: Cursor, bytes: &[u8]| {
            counted.fetch_add(1, Ordering::Relaxed);
            decode(cursor, bytes)
        };
        let topics = Topics::builder(Arc::new(memory.link()), decode)
            .retention(Retention::items(ring))
            .runtime(slow)
            .build()
            .unwrap();
        let mut subscribed = subscribe_all(&topics, &[Replay::All, Replay::Now]).await;
        let next = memory.end(key().as_str()).await.unwrap().number();
        publish(&other, [next]).await;
        expect(&mut subscribed[1], [next]).await;
        let decoded = decoded.load(Ordering::Relaxed);
        assert!((50..60).contains(&decoded), "{decoded}");
        expect(&mut subscribed[0], 0..next + 1).await;
        for events in &mut subscribed {
            expect_nothing(events).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_reads_the_log_when_the_engine_forgets_comes_back_to_the_ring() {
    let memory = Memory::on_current().unwrap();
    let link = memory.link();
    link.adopt().await.unwrap();
    let decoded = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&decoded);
    let topics = Topics::builder(Arc::new(link.clone()), move |cursor, bytes| {
        counted.fetch_add(1, Ordering::Relaxed);
        decode(cursor, bytes)
    });
    let topics = topics.retention(Retention::items(5)).build().unwrap();
    let mut live = subscribe(&topics, Replay::Now).await;
    let mut behind = subscribe(&topics, Replay::All).await;
    publish(&topics, 0..30).await;
    settle().await;
    expect(&mut behind, 0..2).await;
    expect(&mut live, 0..30).await;
    memory.forget();
    link.adopt().await.unwrap();
    // The one that reads the log is the first to notice, or the feeder is.
    expect_gap(&mut behind).await;
    expect_gap(&mut live).await;
    for first in [100, 200] {
        publish(&topics, first..first + 4).await;
        expect(&mut behind, first..first + 4).await;
        expect(&mut live, first..first + 4).await;
        // They have found each other by the second time.
        if first == 100 {
            expect_nothing(&mut behind).await;
            decoded.store(0, Ordering::Relaxed);
        }
    }
    assert_eq!(decoded.load(Ordering::Relaxed), 4);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_catches_up_does_not_outrun_its_subscribers() {
    const EVENTS: u64 = 1_000;
    let memory = Memory::on_current().unwrap();
    let ((link, topics), (_, other)) = (node(&memory, 100), node(&memory, 100));
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut events = subscribe(&topics, Replay::Now).await;
        clients.push(tokio::spawn(async move {
            expect(&mut events, 0..EVENTS).await;
        }));
    }
    settle().await;
    link.cut();
    publish(&other, 0..EVENTS).await;
    link.heal();
    let reads = count(&link, Method::Read);
    for client in clients {
        client.await.unwrap();
    }
    // That of the feeder.
    assert!(reads.load(Ordering::Relaxed) <= 2);
}
