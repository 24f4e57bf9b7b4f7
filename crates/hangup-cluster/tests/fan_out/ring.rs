//! What a node keeps, and those who are slower than that.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use futures::{FutureExt, StreamExt};
use hangup::topic::{Replay, Retention};
use hangup::{CloseReason, Scope};
use hangup_cluster::engine::Log;
use hangup_cluster::fan_out::Topics;
use hangup_cluster::memory::{Memory, Method};

use crate::support::{
    builder, decode, expect, expect_gap, expect_nothing, key, node, publish, settle, subscribe,
    topics,
};

/// Counts the streams that the node of `link` opens.
fn count_reads(link: &hangup_cluster::memory::Link) -> Arc<AtomicUsize> {
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    link.fates(move |call| {
        let is_read = call.method == Method::Read;
        counted.fetch_add(usize::from(is_read), Ordering::Relaxed);
        Default::default()
    });
    reads
}

#[tokio::test(start_paused = true)]
async fn many_subscribers_cost_one_stream_and_each_item_is_decoded_once() {
    let memory = Memory::on_current().unwrap();
    let link = memory.link();
    let reads = count_reads(&link);
    let decoded = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&decoded);
    let topics = Topics::builder(Arc::new(link), move |cursor, bytes| {
        counted.fetch_add(1, Ordering::Relaxed);
        decode(cursor, bytes)
    });
    let topics = topics.build().unwrap();
    let mut subscribers = Vec::new();
    for _ in 0..100 {
        subscribers.push(subscribe(&topics, Replay::Now).await);
    }
    publish(&topics, 0..50).await;
    let cursor = expect(&mut subscribers[0], 0..10).await;
    subscribers.push(subscribe(&topics, Replay::After(cursor)).await);
    for (index, events) in subscribers.iter_mut().enumerate() {
        let first = if matches!(index, 0 | 100) { 10 } else { 0 };
        expect(events, first..50).await;
    }
    assert_eq!(decoded.load(Ordering::Relaxed), 50);
    assert_eq!(reads.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn subscribers_that_have_caught_up_share_the_stream_and_the_ring() {
    let memory = Memory::on_current().unwrap();
    let link = memory.link();
    let reads = count_reads(&link);
    let decoded = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&decoded);
    let topics = Topics::builder(Arc::new(link), move |cursor, bytes| {
        counted.fetch_add(1, Ordering::Relaxed);
        decode(cursor, bytes)
    });
    let topics = topics.build().unwrap();
    publish(&topics, 0..10).await;
    let mut now = subscribe(&topics, Replay::Now).await;
    let mut subscribers = Vec::new();
    for _ in 0..3 {
        subscribers.push(subscribe(&topics, Replay::All).await);
    }
    for events in &mut subscribers {
        expect(events, 0..10).await;
        expect_nothing(events).await;
    }
    assert_eq!(decoded.swap(0, Ordering::Relaxed), 3 * 10);
    publish(&topics, 10..15).await;
    expect(&mut now, 10..15).await;
    for events in &mut subscribers {
        expect(events, 10..15).await;
    }
    assert_eq!(decoded.load(Ordering::Relaxed), 5);
    assert_eq!(reads.load(Ordering::Relaxed), 1 + 3);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_slower_than_the_ring_reads_the_log_and_comes_back_to_the_ring() {
    for burst in [1, 4, 5, 6, 40] {
        let memory = Memory::on_current().unwrap();
        let link = memory.link();
        let reads = count_reads(&link);
        let topics = topics(link, 5);
        let mut events = subscribe(&topics, Replay::Now).await;
        let mut last = 0;
        for _ in 0..3 {
            publish(&topics, last..last + burst).await;
            settle().await;
            expect(&mut events, last..last + burst).await;
            expect_nothing(&mut events).await;
            last += burst;
        }
        let expected = if burst > 5 { 1 + 3 } else { 1 };
        assert_eq!(reads.load(Ordering::Relaxed), expected, "{burst}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ring_that_overflows_while_it_is_caught_up_with_loses_nothing() {
    const BACKLOG: u64 = 30;
    for ring in [1, 2, 5] {
        for step in 1..=7 {
            let memory = Memory::on_current().unwrap();
            let (_, topics) = node(&memory, ring);
            publish(&topics, 0..BACKLOG).await;
            let mut events = subscribe(&topics, Replay::All).await;
            let mut published = BACKLOG;
            for read in 0..100 {
                expect(&mut events, [read]).await;
                // It is as fast as the publisher, a bit slower, or faster.
                if read % step == 0 {
                    publish(&topics, published..published + 3).await;
                    published += 3;
                    settle().await;
                }
                if published == read + 1 {
                    break;
                }
            }
            let read = 100.min(published);
            expect(&mut events, read..published).await;
            expect_nothing(&mut events).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_in_bytes_counts_those_of_the_engine() {
    let memory = Memory::on_current().unwrap();
    let link = memory.link();
    let reads = count_reads(&link);
    let retention = Retention::items(100).bytes(10);
    let topics = builder(link).retention(retention).build().unwrap();
    let mut events = subscribe(&topics, Replay::Now).await;
    publish(&topics, 10..15).await;
    settle().await;
    expect(&mut events, 10..15).await;
    assert_eq!(reads.load(Ordering::Relaxed), 1);
    publish(&topics, 20..26).await;
    settle().await;
    expect(&mut events, 20..26).await;
    assert_eq!(reads.load(Ordering::Relaxed), 2);
    // One that is larger than the ring is yielded all the same.
    publish(&topics, [1, 12_345_678_901, 2, 3]).await;
    settle().await;
    expect(&mut events, [1, 12_345_678_901, 2, 3]).await;
    expect_nothing(&mut events).await;
}

#[tokio::test(start_paused = true)]
async fn an_item_that_cannot_be_decoded_is_a_gap_of_its_own() {
    for ring in [1, 100] {
        let memory = Memory::on_current().unwrap();
        let (_, topics) = node(&memory, ring);
        let mut live = subscribe(&topics, Replay::Now).await;
        let origin = memory.end(key().as_str()).await.unwrap();
        publish(&topics, 0..2).await;
        let wrong = topics.publish(&key(), "no number").await.unwrap();
        publish(&topics, 3..5).await;
        settle().await;
        let mut replayed = subscribe(&topics, Replay::After(origin)).await;
        for events in [&mut live, &mut replayed] {
            let asked = expect(events, 0..2).await;
            let gap = expect_gap(events).await;
            assert_eq!((gap.asked, gap.resume), (asked, wrong));
            expect(events, 3..5).await;
            expect_nothing(events).await;
        }
    }
}

/// Its drop uses the topics, and may panic.
struct Bomb {
    number: u64,
    topics: Arc<OnceLock<Topics<Self>>>,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        // It would wait for ever for a lock that is held.
        let _: Option<usize> = self.topics.get().map(Topics::len);
        if self.number % 3 == 1 && !std::thread::panicking() {
            panic!("in a drop");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn decoders_and_drops_run_under_no_lock_and_may_panic() {
    let memory = Memory::on_current().unwrap();
    let handle = Arc::new(OnceLock::new());
    let inside = Arc::clone(&handle);
    let topics = Topics::builder(Arc::new(memory.link()), move |cursor, bytes| {
        let topics: &Topics<Bomb> = inside.get().unwrap();
        assert_eq!(topics.len(), 1);
        // It is the first poll of another subscription.
        let key = key();
        let subscribed = topics.subscribe(&key, Replay::After(cursor));
        assert!(subscribed.now_or_never().unwrap().is_ok());
        Bomb {
            number: decode(cursor, bytes),
            topics: Arc::clone(&inside),
        }
    });
    let topics = topics.retention(Retention::items(2)).build().unwrap();
    assert!(handle.set(topics.clone()).is_ok());
    let mut events = topics.subscribe(&key(), Replay::Now).await.unwrap();
    for number in 0..20 {
        topics.publish(&key(), number.to_string()).await.unwrap();
        let event = events.next().await.unwrap().unwrap();
        assert_eq!(event.number, number);
        // It may be the last one to hold it.
        let dropped = std::panic::AssertUnwindSafe(|| drop(event));
        let _: Result<(), _> = std::panic::catch_unwind(dropped);
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_for_a_connection_closes_it_for_the_reason_of_the_topics() {
    let memory = Memory::on_current().unwrap();
    let (_, topics) = node(&memory, 10);
    let scope = Scope::new();
    let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
    let handle = live.handle();
    let events = subscribe(&topics, Replay::Now).await;
    let events = events.for_connection(handle.clone());
    let events = events.map(|event| *event.unwrap());
    let mut stream = Box::pin(live.stream(events).farewell(|_| Some(99)));
    publish(&topics, 0..2).await;
    settle().await;
    assert!(topics.close(CloseReason::Shutdown));
    assert!(!topics.close(CloseReason::Completed));
    let yielded: Vec<u64> = stream.by_ref().collect().await;
    assert_eq!(yielded, [0, 1, 99]);
    assert_eq!(handle.closed().await.reason, CloseReason::Shutdown);
    let refused = topics.subscribe(&key(), Replay::Now).await.unwrap_err();
    assert_eq!(refused.to_string(), "the topics are closed: shutdown");
}

#[tokio::test(start_paused = true)]
async fn an_event_is_shared_and_prints_what_it_is() {
    let memory = Memory::on_current().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let decoded = Arc::clone(&seen);
    let topics = Topics::builder(Arc::new(memory.link()), move |cursor, bytes| {
        decoded.lock().unwrap().push(cursor);
        bytes.to_vec()
    });
    let topics = topics.build().unwrap();
    let mut events = topics.subscribe(&key(), Replay::Now).await.unwrap();
    let cursor = topics.publish(&key(), "a").await.unwrap();
    let event = events.next().await.unwrap().unwrap();
    let other = event.clone();
    assert!(std::ptr::eq(&*event, &*other));
    assert_eq!((event.cursor(), &**other), (cursor, &b"a"[..]));
    assert_eq!(*seen.lock().unwrap(), [cursor]);
    assert_eq!(
        format!("{event:?}"),
        format!("Event {{ cursor: {cursor:?}, item: [97] }}")
    );
}
