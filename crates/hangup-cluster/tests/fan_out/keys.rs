//! Keys that come into use and go out of it.

use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use hangup::runtime::{BoxFuture, Runtime};
use hangup::topic::Replay;
use hangup_cluster::engine::Log;
use hangup_cluster::fan_out::{SubscribeError, Subscription, TopicName, Topics};
use hangup_cluster::memory::{Fate, Memory, Method};

use crate::support::{
    builder, decode, expect, expect_end, expect_nothing, key, node, publish, settle, subscribe,
};

/// Topics, and what is alive as long as any task of them is.
fn observed(memory: &Memory, linger: Duration) -> (Topics<u64>, Weak<dyn Log>) {
    let log: Arc<dyn Log> = Arc::new(memory.link());
    let alive = Arc::downgrade(&log);
    let topics = Topics::builder(log, decode).linger(linger);
    (topics.build().unwrap(), alive)
}

#[test]
fn subscriptions_go_everywhere() {
    fn goes_everywhere<S: Send + Sync + Unpin + 'static>() {}
    goes_everywhere::<Subscription<u64>>();
    goes_everywhere::<Topics<u64>>();
}

#[tokio::test(start_paused = true)]
async fn a_key_lingers_and_is_removed_then() {
    let memory = Memory::on_current().unwrap();
    let linger = Duration::from_secs(5);
    let (topics, alive) = observed(&memory, linger);
    let one = subscribe(&topics, Replay::Now).await;
    let in_use = alive.strong_count();
    let two = subscribe(&topics, Replay::Now).await;
    drop(one);
    tokio::time::sleep(linger * 2).await;
    assert_eq!(topics.len(), 1);
    drop(two);
    tokio::time::sleep(linger - Duration::from_millis(1)).await;
    assert_eq!(topics.len(), 1);
    // It begins anew when it is used in between.
    drop(subscribe(&topics, Replay::Now).await);
    tokio::time::sleep(linger - Duration::from_millis(1)).await;
    assert_eq!(topics.len(), 1);
    tokio::time::sleep(Duration::from_millis(2)).await;
    settle().await;
    assert!(topics.is_empty());
    assert!(alive.strong_count() < in_use);
}

#[tokio::test(start_paused = true)]
async fn the_last_subscriber_leaves_while_another_one_comes() {
    for linger in [0, 1, 50] {
        let memory = Memory::on_current().unwrap();
        let linger = Duration::from_millis(linger);
        let (topics, _) = observed(&memory, linger);
        let mut cursor = memory.end(key().as_str()).await.unwrap();
        for number in 0..200 {
            let mut events = subscribe(&topics, Replay::After(cursor)).await;
            publish(&topics, [number]).await;
            cursor = expect(&mut events, [number]).await;
            drop(events);
            // At every point of what the feeder does then.
            for _ in 0..number % 7 {
                tokio::task::yield_now().await;
            }
            if number % 11 == 0 {
                tokio::time::sleep(linger).await;
            }
            if number % 13 == 0 {
                publish(&topics, []).await;
            }
        }
        tokio::time::sleep(linger + Duration::from_millis(5)).await;
        assert!(topics.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_published_while_a_key_is_not_in_use_is_replayed() {
    let memory = Memory::on_current().unwrap();
    let (topics, _) = observed(&memory, Duration::from_millis(10));
    let mut events = subscribe(&topics, Replay::Now).await;
    publish(&topics, 0..3).await;
    let cursor = expect(&mut events, 0..3).await;
    drop(events);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(topics.is_empty());
    publish(&topics, 3..6).await;
    assert!(topics.is_empty());
    let mut now = subscribe(&topics, Replay::Now).await;
    let mut events = subscribe(&topics, Replay::After(cursor)).await;
    expect(&mut events, 3..6).await;
    expect_nothing(&mut now).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_lingers_makes_room_and_one_in_use_does_not() {
    let memory = Memory::on_current().unwrap();
    let topics = builder(memory.link()).max_keys(2).build().unwrap();
    let names = ["a", "b", "c"].map(|name| TopicName::new(name).unwrap());
    let a = topics.subscribe(&names[0], Replay::Now).await.unwrap();
    let mut b = topics.subscribe(&names[1], Replay::Now).await.unwrap();
    let full = topics.subscribe(&names[2], Replay::Now).await;
    assert!(matches!(full, Err(SubscribeError::TooManyKeys)));
    let cursor = a.cursor();
    drop(a);
    topics.publish(&names[0], "7").await.unwrap();
    let mut c = topics.subscribe(&names[2], Replay::Now).await.unwrap();
    assert_eq!(topics.len(), 2);
    let full = topics
        .subscribe(&names[0], Replay::After(cursor))
        .await
        .map(drop);
    assert!(matches!(full, Err(SubscribeError::TooManyKeys)));
    topics.publish(&names[1], "1").await.unwrap();
    topics.publish(&names[2], "2").await.unwrap();
    expect(&mut b, [1]).await;
    expect(&mut c, [2]).await;
    drop(b);
    let mut a = topics
        .subscribe(&names[0], Replay::After(cursor))
        .await
        .unwrap();
    expect(&mut a, [7]).await;
    settle().await;
    assert_eq!(topics.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_task_of_a_key_that_has_made_room_ends() {
    let memory = Memory::on_current().unwrap();
    let log: Arc<dyn Log> = Arc::new(memory.link());
    let alive = Arc::downgrade(&log);
    let topics = Topics::builder(log, decode)
        .linger(Duration::from_secs(3_600))
        .max_keys(1);
    let topics = topics.build().unwrap();
    let names = ["a", "b"].map(|name| TopicName::new(name).unwrap());
    let a = topics.subscribe(&names[0], Replay::Now).await.unwrap();
    settle().await;
    let of_one = alive.strong_count();
    drop(a);
    let _b = topics.subscribe(&names[1], Replay::Now).await.unwrap();
    settle().await;
    assert_eq!(alive.strong_count(), of_one);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_used_anew_before_its_last_task_has_ended_stays() {
    let memory = Memory::on_current().unwrap();
    let topics = builder(memory.link()).max_keys(1).build().unwrap();
    let names = ["a", "b"].map(|name| TopicName::new(name).unwrap());
    drop(topics.subscribe(&names[0], Replay::Now).await.unwrap());
    // No task has a turn in between.
    let mut b = Box::pin(topics.subscribe(&names[1], Replay::Now));
    assert!((&mut b).now_or_never().is_none());
    drop(b);
    let mut a = Box::pin(topics.subscribe(&names[0], Replay::Now));
    assert!((&mut a).now_or_never().is_none());
    let mut a = a.await.unwrap();
    settle().await;
    assert_eq!(topics.len(), 1);
    topics.publish(&names[0], "1").await.unwrap();
    expect(&mut a, [1]).await;
    drop(a);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(topics.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_does_not_wait_for_the_feed_leaves_nothing_behind() {
    let memory = Memory::on_current().unwrap();
    let linger = Duration::from_secs(5);
    let link = memory.link();
    link.fates(|call| match call.method {
        Method::End => Fate::DelayAnswer(Duration::from_secs(1)),
        _ => Fate::Answer,
    });
    let topics = builder(link).linger(linger).build().unwrap();
    let key = key();
    let mut dropped = Box::pin(topics.subscribe(&key, Replay::Now));
    assert!((&mut dropped).now_or_never().is_none());
    assert_eq!(topics.len(), 1);
    drop(dropped);
    tokio::time::sleep(linger * 2).await;
    assert!(topics.is_empty());
    // One of several that wait.
    let mut dropped = Box::pin(topics.subscribe(&key, Replay::Now));
    assert!((&mut dropped).now_or_never().is_none());
    let mut kept = Box::pin(topics.subscribe(&key, Replay::Now));
    assert!((&mut kept).now_or_never().is_none());
    drop(dropped);
    let mut kept = kept.await.unwrap();
    publish(&topics, [1]).await;
    expect(&mut kept, [1]).await;
}

#[tokio::test(start_paused = true)]
async fn topics_that_are_dropped_end_their_subscriptions_and_tasks() {
    for read in 0..=5 {
        let memory = Memory::on_current().unwrap();
        let link = memory.link();
        let (topics, alive) = observed(&memory, Duration::from_secs(5));
        // One in the ring, one that reads the log, one that asks the engine, one that waits.
        let mut live = subscribe(&topics, Replay::Now).await;
        publish(&topics, 0..5).await;
        settle().await;
        let mut all = subscribe(&topics, Replay::All).await;
        expect(&mut all, 0..read).await;
        let mut waiting = subscribe(&topics, Replay::Now).await;
        assert!(waiting.next().now_or_never().is_none());
        let waits = tokio::spawn(async move { expect_end(&mut waiting).await });
        settle().await;
        drop(topics);
        waits.await.unwrap();
        // The ring of this node has them.
        expect(&mut live, 0..5).await;
        expect_end(&mut live).await;
        let rest: Vec<_> = all.by_ref().map(|event| *event.unwrap()).collect().await;
        assert_eq!(rest, (read..read + rest.len() as u64).collect::<Vec<_>>());
        drop((live, all));
        settle().await;
        assert_eq!(alive.strong_count(), 0);
        drop(link);
    }
}

#[tokio::test(start_paused = true)]
async fn topics_that_are_closed_end_a_subscription_that_waits_for_the_engine() {
    let memory = Memory::on_current().unwrap();
    let (link, topics) = node(&memory, 2);
    let (_, other) = node(&memory, 2);
    let live = subscribe(&topics, Replay::Now).await;
    let origin = live.cursor();
    publish(&topics, 0..5).await;
    settle().await;
    link.cut();
    let ahead = other.publish(&key(), "5").await.unwrap();
    let mut ends = Vec::new();
    for replay in [Replay::All, Replay::After(origin), Replay::After(ahead)] {
        let mut events = subscribe(&topics, replay).await;
        ends.push(tokio::spawn(async move { expect_end(&mut events).await }));
    }
    settle().await;
    topics.close(hangup::CloseReason::Shutdown);
    settle().await;
    for end in ends {
        assert!(end.is_finished());
        end.await.unwrap();
    }
}

/// Calls something when a sleep of the linger is over, before the sleeper knows.
#[derive(Clone)]
struct AtTheEnd {
    runtime: tokio::runtime::Handle,
    call: Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>,
}

const LINGER: Duration = Duration::from_millis(1_234);

impl Runtime for AtTheEnd {
    fn spawn(&self, task: BoxFuture<()>) {
        Runtime::spawn(&self.runtime, task);
    }

    fn now(&self) -> std::time::Instant {
        Runtime::now(&self.runtime)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let sleep = Runtime::sleep(&self.runtime, duration);
        let call = Arc::clone(&self.call);
        Box::pin(async move {
            sleep.await;
            if let (LINGER, Some(call)) = (duration, call.get()) {
                call();
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_comes_when_the_key_has_lingered_keeps_it() {
    for stays in [true, false] {
        let memory = Memory::on_current().unwrap();
        let runtime = AtTheEnd {
            runtime: tokio::runtime::Handle::current(),
            call: Arc::default(),
        };
        let topics = builder(memory.link()).linger(LINGER);
        let topics = topics.runtime(runtime.clone()).build().unwrap();
        let new = Arc::new(Mutex::new(None));
        let (handle, put) = (topics.clone(), Arc::clone(&new));
        let call = Box::new(move || {
            let key = key();
            let new = handle.subscribe(&key, Replay::Now).now_or_never();
            let new = new.unwrap().unwrap();
            let mut put = put.lock().unwrap();
            if put.is_none() {
                *put = Some(stays.then_some(new));
            }
        });
        assert!(runtime.call.set(call).is_ok());
        drop(subscribe(&topics, Replay::Now).await);
        tokio::time::sleep(LINGER + Duration::from_millis(1)).await;
        // One that came and left begins the linger anew.
        assert_eq!(topics.len(), 1);
        let mut events = new.lock().unwrap().take().unwrap();
        publish(&topics, 0..3).await;
        if let Some(events) = &mut events {
            expect(events, 0..3).await;
        }
    }
}

/// Drops all tasks.
struct Gone(tokio::runtime::Handle);

impl Runtime for Gone {
    fn spawn(&self, _: BoxFuture<()>) {}

    fn now(&self) -> std::time::Instant {
        Runtime::now(&self.0)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Runtime::sleep(&self.0, duration)
    }
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_drops_the_feeder_ends_the_feed() {
    let memory = Memory::on_current().unwrap();
    let gone = Gone(tokio::runtime::Handle::current());
    let topics = builder(memory.link()).runtime(gone).build().unwrap();
    let key = key();
    let refused = topics.subscribe(&key, Replay::Now).now_or_never();
    assert!(matches!(refused, Some(Err(SubscribeError::Closed(_)))));
    assert!(topics.is_empty());
}
