//! The log: its limits, its ids, and what the server has for readers.

use std::time::Duration;

use futures_util::StreamExt;
use hangup::topic::Cursor;
use hangup_cluster::engine::{Log, LogEvent};
use hangup_engines::nats::NatsServer;
use hangup_nats::async_nats::ConnectOptions;
use hangup_nats::{MIN_LOG_ITEMS, Nats};

use tokio::time::timeout;

use crate::bench::{LONG, builder, engine, eventually, known, next, raw, server};
use crate::proxy::Proxy;

async fn publish(nats: &Nats, topic: &str, numbers: std::ops::Range<u32>) -> Cursor {
    let mut last = None;
    for number in numbers {
        let item = number.to_string();
        let published = nats.publish(topic, &item, item.clone().into_bytes()).await;
        last = Some(published.unwrap());
    }
    last.unwrap()
}

#[tokio::test]
async fn a_reader_that_is_slower_than_the_log_is_told() {
    let server = server();
    let nats = engine(&server).await;
    let start = nats.start("topic").await.unwrap();
    publish(&nats, "topic", 0..600).await;
    let mut read = nats.read("topic", start).await.unwrap();
    assert!(matches!(next(&mut read).await.unwrap(), LogEvent::Item(..)));
    let end = publish(&nats, "topic", 600..600 + 3 * MIN_LOG_ITEMS).await;
    // Each number once and in order, and a gap in place of each that is missing.
    let (mut expected, mut gaps, mut at) = (1, 0, start);
    while at.number() < end.number() {
        match next(&mut read).await.unwrap() {
            LogEvent::Gap(gap) => {
                assert!(gap.number() > at.number());
                at = gap;
                gaps += 1;
                let begun = u32::try_from(gap.number() - start.number()).unwrap();
                assert!(begun > expected);
                expected = begun;
            }
            LogEvent::Item(cursor, item) => {
                assert!(cursor.number() > at.number());
                at = cursor;
                assert_eq!(item, expected.to_string().into_bytes());
                expected += 1;
            }
            event => panic!("{event:?}"),
        }
    }
    assert!(gaps > 0, "nothing tells what is missing");
    assert_eq!(expected, 600 + 3 * MIN_LOG_ITEMS);
}

#[tokio::test]
async fn items_of_other_topics_are_no_gap_until_they_are_dropped() {
    let server = server();
    let nats = engine(&server).await;
    let first = publish(&nats, "topic", 0..1).await;
    publish(&nats, "other", 0..50).await;
    let second = publish(&nats, "topic", 1..2).await;
    let mut read = nats.read("topic", first).await.unwrap();
    assert_eq!(
        next(&mut read).await.unwrap(),
        LogEvent::Item(second, b"1".to_vec())
    );
    // The limits are those of all topics.
    publish(&nats, "other", 50..50 + MIN_LOG_ITEMS).await;
    let mut read = nats.read("topic", first).await.unwrap();
    assert!(
        matches!(next(&mut read).await.unwrap(), LogEvent::Gap(gap) if gap.number() >= second.number())
    );
}

#[tokio::test]
async fn an_id_is_of_its_topic_and_may_be_any_text() {
    let server = server();
    let nats = engine(&server).await;
    let long = "x".repeat(600);
    for id in ["id", "", " ", "a\r\nb", "a\nb", "é%", "%C3%A9%", &long] {
        let first = nats.publish("topic", id, b"1".to_vec()).await.unwrap();
        let again = nats.publish("topic", id, b"1".to_vec()).await.unwrap();
        assert_eq!(first, again, "{id:?}");
        let other = nats.publish("other", id, b"1".to_vec()).await.unwrap();
        assert!(other.number() > first.number(), "{id:?}");
    }
}

#[tokio::test]
async fn items_that_are_lost_on_the_way_are_read_again() {
    let server = server();
    // What comes beyond it is thrown away by the client.
    let options = ConnectOptions::new().subscription_capacity(32);
    let nats = builder(&server).options(options).connect().await.unwrap();
    let start = nats.start("topic").await.unwrap();
    publish(&nats, "topic", 0..150).await;
    let mut count = 150;
    let lost = async {
        // Nothing is lost of what the server sends no faster than it is read.
        while read_all(&nats, start, &mut count).await == 0 {}
    };
    timeout(LONG, lost).await.expect("something is lost");
}

/// Reads the first 150 items of the `count` that there are, and counts the failures.
async fn read_all(nats: &Nats, mut at: Cursor, count: &mut u32) -> usize {
    let mut read = nats.read("topic", at).await.unwrap();
    let (mut expected, mut failures) = (0, 0);
    while expected < 150 {
        match timeout(Duration::from_millis(300), next(&mut read)).await {
            Ok(Ok(LogEvent::Item(cursor, item))) => {
                assert_eq!(item, expected.to_string().into_bytes());
                (at, expected) = (cursor, expected + 1);
            }
            Ok(Ok(event)) => panic!("{event:?}"),
            Ok(Err(_)) => {
                failures += 1;
                assert!(read.next().await.is_none(), "it goes on behind an error");
                read = nats.read("topic", at).await.unwrap();
            }
            // What is lost is missed when the next one comes.
            Err(_) => {
                publish(nats, "topic", *count..*count + 1).await;
                *count += 1;
            }
        }
    }
    failures
}

#[tokio::test]
async fn a_reader_whose_connection_was_lost_fails() {
    let server = server();
    let mut proxy = Proxy::start(&server.addr()).await;
    let nats = Nats::connect(proxy.addr().to_owned()).await.unwrap();
    let start = nats.start("topic").await.unwrap();
    let mut read = nats.read("topic", start).await.unwrap();
    publish(&nats, "topic", 0..1).await;
    assert!(matches!(next(&mut read).await.unwrap(), LogEvent::Item(..)));
    proxy.cut();
    // The server has what it has for the reader, and yet something may have been on its way.
    assert!(next(&mut read).await.is_err());
    assert!(read.next().await.is_none());
}

async fn consumers(server: &NatsServer) -> usize {
    let stream = raw(server).await.get_stream("hangup-log").await.unwrap();
    stream.cached_info().state.consumer_count
}

#[tokio::test]
async fn the_server_has_nothing_for_a_reader_that_was_dropped() {
    let server = server();
    let nats = engine(&server).await;
    let start = nats.start("topic").await.unwrap();
    let read = nats.read("topic", start).await.unwrap();
    let mut stays = nats.read("topic", start).await.unwrap();
    assert_eq!(consumers(&server).await, 2);
    drop(read);
    eventually(async || (consumers(&server).await == 1).then_some(())).await;
    publish(&nats, "topic", 0..1).await;
    assert!(matches!(
        next(&mut stays).await.unwrap(),
        LogEvent::Item(..)
    ));
}

#[tokio::test]
async fn a_reader_fails_when_the_server_was_killed_and_is_made_anew() {
    let mut server = server();
    let nats = engine(&server).await;
    let start = nats.start("topic").await.unwrap();
    let first = publish(&nats, "topic", 0..1).await;
    let mut read = nats.read("topic", start).await.unwrap();
    assert_eq!(
        next(&mut read).await.unwrap(),
        LogEvent::Item(first, b"0".to_vec())
    );
    server.kill();
    server.restart();
    let second = known(async || nats.publish("topic", "1", b"1".to_vec()).await)
        .await
        .unwrap();
    // What it had at the server is gone.
    let found = loop {
        match next(&mut read).await {
            Ok(event) => break event,
            Err(_) => {
                read = known(async || nats.read("topic", first).await)
                    .await
                    .unwrap();
            }
        }
    };
    assert_eq!(found, LogEvent::Item(second, b"1".to_vec()));
}
