//! What the tests have in common: nodes, and clients that check what they get.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::FusedStream;
use futures::{FutureExt, StreamExt};
use hangup::topic::{Cursor, Replay, Retention};
use hangup_cluster::engine::Log;
use hangup_cluster::fan_out::{Event, Gap, Subscription, TopicName, Topics, TopicsBuilder};
use hangup_cluster::memory::{Link, Memory};

pub(crate) fn key() -> TopicName {
    "key".parse().unwrap()
}

/// Items are numbers in decimal.
pub(crate) fn decode(_: Cursor, bytes: &[u8]) -> u64 {
    std::str::from_utf8(bytes).unwrap().parse().unwrap()
}

pub(crate) fn builder(log: impl Log) -> TopicsBuilder<u64> {
    Topics::builder(Arc::new(log), decode)
}

pub(crate) fn topics(log: impl Log, ring: usize) -> Topics<u64> {
    let builder = builder(log).retention(Retention::items(ring));
    builder.build().unwrap()
}

/// A node with a ring of so many items.
pub(crate) fn node(memory: &Memory, ring: usize) -> (Link, Topics<u64>) {
    let link = memory.link();
    (link.clone(), topics(link, ring))
}

pub(crate) async fn publish(topics: &Topics<u64>, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        topics.publish(&key(), number.to_string()).await.unwrap();
    }
}

pub(crate) async fn subscribe(topics: &Topics<u64>, replay: Replay) -> Subscription<u64> {
    topics.subscribe(&key(), replay).await.unwrap()
}

/// What comes next. It fails instead of waiting for ever.
pub(crate) async fn next(events: &mut Subscription<u64>) -> Result<Event<u64>, Gap> {
    let limit = Duration::from_secs(120);
    match tokio::time::timeout(limit, events.next()).await {
        Ok(Some(next)) => next,
        Ok(None) => panic!("the subscription has ended behind {}", events.cursor()),
        Err(_) => panic!("nothing comes behind {}", events.cursor()),
    }
}

/// The next events, which are these numbers. Returns the cursor of the last one.
pub(crate) async fn expect(
    events: &mut Subscription<u64>,
    numbers: impl IntoIterator<Item = u64>,
) -> Cursor {
    for number in numbers {
        match next(events).await {
            Ok(event) => {
                assert_eq!(*event, number);
                assert_eq!(event.cursor(), events.cursor());
            }
            Err(gap) => panic!("{gap}, in place of {number}"),
        }
    }
    events.cursor()
}

/// A gap comes next.
pub(crate) async fn expect_gap(events: &mut Subscription<u64>) -> Gap {
    match next(events).await {
        Ok(event) => panic!("{} in place of a gap", *event),
        Err(gap) => gap,
    }
}

/// Nothing comes, also when all tasks have had their turns.
pub(crate) async fn expect_nothing(events: &mut Subscription<u64>) {
    settle().await;
    if let Some(next) = events.next().now_or_never() {
        panic!("{next:?} in place of nothing");
    }
}

/// It has ended. It fails instead of waiting for ever.
pub(crate) async fn expect_end(events: &mut Subscription<u64>) {
    let limit = Duration::from_secs(120);
    match tokio::time::timeout(limit, events.next()).await {
        Ok(None) => assert!(events.is_terminated()),
        Ok(Some(next)) => panic!("{next:?} in place of the end"),
        Err(_) => panic!("no end behind {}", events.cursor()),
    }
}

/// All tasks have had their turns.
pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}
