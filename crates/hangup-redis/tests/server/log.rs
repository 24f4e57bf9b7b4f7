//! The log.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use hangup::topic::Cursor;
use hangup_cluster::engine::{EngineError, Log, LogEvent, LogStream};
use hangup_engines::redis::{Persistence, RedisServer};
use hangup_redis::{MAX_VALUE, Redis};
use tokio::time::timeout;
use tokio_stream::StreamExt;

use crate::bench::{LONG, adopted, builder, engine, eventually, known, raw};

async fn publish(redis: &Redis, number: u32) -> Cursor {
    let (id, item) = (number.to_string(), number.to_be_bytes().into());
    redis.publish("t", &id, item).await.unwrap()
}

async fn next(read: &mut LogStream) -> LogEvent {
    let next = timeout(LONG, read.next()).await.expect("in time");
    next.expect("it goes on").unwrap()
}

fn item(cursor: Cursor, number: u32) -> LogEvent {
    LogEvent::Item(cursor, number.to_be_bytes().into())
}

fn behind(cursor: Cursor, by: u64) -> Cursor {
    Cursor::new(cursor.incarnation(), cursor.number() + by)
}

#[tokio::test]
async fn items_are_read_once_in_order_from_every_place_on() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let end = redis.end("t").await.unwrap();
    assert_eq!(redis.start("t").await.unwrap(), end);
    let mut before = redis.read("t", end).await.unwrap();
    assert!(before.next().now_or_never().is_none());
    let mut cursors = vec![end];
    for number in 1..=1200 {
        cursors.push(publish(&redis, number).await);
    }
    for (n, &cursor) in cursors.iter().enumerate() {
        assert_eq!(cursor, behind(end, n as u64), "none is left out");
    }
    assert_eq!(redis.start("t").await.unwrap(), end);
    assert_eq!(redis.end("t").await.unwrap(), cursors[1200]);
    for number in 1..=1200 {
        assert_eq!(
            next(&mut before).await,
            item(cursors[number as usize], number)
        );
    }
    for from in [0, 1, 31, 32, 33, 600, 1199, 1200] {
        let mut read = redis.read("t", cursors[from as usize]).await.unwrap();
        for number in from + 1..=1200 {
            assert_eq!(
                next(&mut read).await,
                item(cursors[number as usize], number)
            );
        }
        assert!(
            timeout(Duration::from_millis(20), read.next())
                .await
                .is_err()
        );
    }
}

#[tokio::test]
async fn a_reader_is_woken() {
    let server = RedisServer::start(Persistence::Default);
    // It would look by itself in an hour.
    let hour = Duration::from_secs(3600);
    let redis = adopted(builder(&server).timeout(hour)).await;
    let mut read = redis
        .read("t", redis.end("t").await.unwrap())
        .await
        .unwrap();
    for number in 0..100 {
        let cursor = publish(&redis, number).await;
        assert_eq!(next(&mut read).await, item(cursor, number));
    }
    // Also if its connection is lost as it is published.
    for number in 100..120 {
        raw::<()>(&server, "CLIENT KILL TYPE pubsub");
        let cursor = publish(&redis, number).await;
        assert_eq!(next(&mut read).await, item(cursor, number));
    }
}

#[tokio::test]
async fn what_was_dropped_is_a_gap() {
    let server = RedisServer::start(Persistence::Default);
    let redis = adopted(builder(&server).log_items(10)).await;
    let first = publish(&redis, 1).await;
    let mut slow = redis.read("t", first).await.unwrap();
    for number in 2..=25 {
        publish(&redis, number).await;
    }
    assert_eq!(redis.start("t").await.unwrap(), behind(first, 14));
    // A reader that was there before is overtaken likewise.
    for read in [&mut slow, &mut redis.read("t", first).await.unwrap()] {
        assert_eq!(next(read).await, LogEvent::Gap(behind(first, 14)));
        for number in 16..=25 {
            assert_eq!(
                next(read).await,
                item(behind(first, u64::from(number) - 1), number)
            );
        }
    }
    // The last one that was dropped is not missed by who had it.
    let mut read = redis.read("t", behind(first, 14)).await.unwrap();
    assert_eq!(next(&mut read).await, item(behind(first, 15), 16));
}

#[tokio::test]
async fn a_topic_whose_time_has_passed_counts_on() {
    let server = RedisServer::start(Persistence::Default);
    let age = Duration::from_secs(3600);
    let redis = adopted(builder(&server).log_age(age)).await;
    let first = publish(&redis, 1).await;
    let second = publish(&redis, 2).await;
    let left = Duration::from_millis(raw(&server, "PTTL {hangup}:l:t"));
    assert!(age / 2 < left && left <= age, "{left:?}");
    raw::<()>(&server, "PEXPIRE {hangup}:l:t 1");
    eventually(async || (raw::<u64>(&server, "EXISTS {hangup}:l:t") == 0).then_some(())).await;
    assert_eq!(redis.end("t").await.unwrap(), second);
    assert_eq!(redis.start("t").await.unwrap(), second);
    let mut missed = redis.read("t", first).await.unwrap();
    let mut read = redis.read("t", second).await.unwrap();
    assert_eq!(next(&mut missed).await, LogEvent::Gap(second));
    assert!(read.next().now_or_never().is_none());
    let third = publish(&redis, 3).await;
    assert_eq!(third, behind(first, 2));
    assert_eq!(
        next(&mut read).await,
        item(third, 3),
        "no gap for who had all"
    );
    assert_eq!(next(&mut missed).await, item(third, 3));
}

#[tokio::test]
async fn a_topic_whose_count_was_dropped_repeats_no_number() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let mut last = publish(&redis, 1).await;
    for number in 2..100 {
        last = publish(&redis, number).await;
    }
    raw::<()>(&server, "DEL {hangup}:l:t {hangup}:n:t");
    let mut read = redis.read("t", last).await.unwrap();
    let LogEvent::Gap(gap) = next(&mut read).await else {
        panic!("it does not know what was dropped");
    };
    assert!(gap.number() > last.number());
    let after = publish(&redis, 100).await;
    assert_eq!(after, behind(gap, 1));
    assert_eq!(next(&mut read).await, item(after, 100));
}

#[tokio::test]
async fn a_topic_whose_count_was_dropped_goes_on_above_it() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let last = publish(&redis, 1).await;
    raw::<()>(&server, "DEL {hangup}:l:t {hangup}:n:t");
    assert!(publish(&redis, 2).await.number() > last.number() + 1);
}

#[tokio::test]
async fn the_count_is_kept_as_long_as_there_is_a_reader() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let end = redis.end("t").await.unwrap();
    let left = || raw::<u64>(&server, "PTTL {hangup}:n:t");
    let whole = left();
    raw::<()>(&server, &format!("PEXPIRE {{hangup}}:n:t {}", whole / 3));
    let _read = redis.read("t", end).await.unwrap();
    assert!(left() > whole / 2);
}

#[tokio::test]
async fn an_id_is_appended_once_while_it_is_remembered() {
    let server = RedisServer::start(Persistence::Default);
    let remembered = Duration::from_millis(300);
    let redis = adopted(builder(&server).remember_ids(remembered)).await;
    let begun = Instant::now();
    let first = publish(&redis, 1).await;
    let again = publish(&redis, 1).await;
    let other = redis.publish("u", "1", b"1".into()).await.unwrap();
    if begun.elapsed() < remembered {
        assert_eq!(again, first);
    }
    assert_ne!(other, first, "each topic has its own ids");
    assert_eq!(redis.end("t").await.unwrap(), again);
    assert_eq!(publish(&redis, 2).await, behind(again, 1));
    eventually(async || (raw::<u64>(&server, "EXISTS {hangup}:i:t:1") == 0).then_some(())).await;
    assert_eq!(publish(&redis, 1).await, behind(again, 2));
}

#[tokio::test]
async fn an_id_that_was_dropped_from_the_log_is_still_remembered() {
    let server = RedisServer::start(Persistence::Default);
    let redis = adopted(builder(&server).log_items(1)).await;
    let first = publish(&redis, 1).await;
    publish(&redis, 2).await;
    assert_eq!(publish(&redis, 1).await, first);
    assert_eq!(redis.end("t").await.unwrap(), behind(first, 1));
}

#[tokio::test]
async fn a_place_in_another_life_or_behind_the_end_is_a_gap() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let first = publish(&redis, 1).await;
    let start = redis.start("t").await.unwrap();
    for number in [0, first.number(), u64::MAX] {
        let other = Cursor::new(first.incarnation() ^ 1, number);
        let mut read = redis.read("t", other).await.unwrap();
        assert_eq!(next(&mut read).await, LogEvent::Gap(start));
        assert_eq!(next(&mut read).await, item(first, 1));
    }
    for number in [first.number() + 1, u64::MAX] {
        let beyond = Cursor::new(first.incarnation(), number);
        let mut read = redis.read("t", beyond).await.unwrap();
        assert_eq!(next(&mut read).await, LogEvent::Gap(first));
    }
}

/// Reads all up to `last`, anew after each error, and counts the errors.
async fn read_all(redis: Redis, mut at: Cursor, last: u32) -> u32 {
    let (mut number, mut errors) = (0, 0);
    while number < last {
        let Ok(mut read) = redis.read("t", at).await else {
            errors += 1;
            tokio::task::yield_now().await;
            continue;
        };
        while number < last {
            match timeout(LONG, read.next()).await.expect("in time") {
                Some(Ok(LogEvent::Item(cursor, item))) => {
                    number += 1;
                    assert_eq!(item, number.to_be_bytes());
                    at = cursor;
                }
                Some(Err(EngineError::Unknown(_))) => errors += 1,
                None => break,
                Some(event) => panic!("{event:?} after {number}"),
            }
        }
    }
    errors
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_get_each_item_once_over_lost_connections_and_servers() {
    let mut server = RedisServer::start(Persistence::Always);
    let redis = engine(&server).await;
    let end = redis.end("t").await.unwrap();
    let readers: Vec<_> = (0..3)
        .map(|_| tokio::spawn(read_all(redis.clone(), end, 600)))
        .collect();
    let mut unknowns = 0;
    for number in 1..=600_u32 {
        match number % 100 {
            20 | 60 => raw::<()>(&server, "CLIENT KILL TYPE normal"),
            40 | 80 => raw::<()>(&server, "CLIENT KILL TYPE pubsub"),
            0 => {
                server.kill();
                server.restart();
            }
            _ => {}
        }
        // The same id until it is known: it is appended once.
        let id = number.to_string();
        known(async || {
            let published = redis.publish("t", &id, number.to_be_bytes().into()).await;
            unknowns += u32::from(published.is_err());
            published
        })
        .await
        .unwrap();
    }
    let mut errors = 0;
    for reader in readers {
        errors += reader.await.unwrap();
    }
    println!("{unknowns} publishes were unknown, {errors} reads");
}

#[tokio::test]
async fn items_of_every_size_are_published_or_refused() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let end = redis.end("t").await.unwrap();
    let sizes = [0, 1, MAX_VALUE, 3 << 20, 100, MAX_VALUE, 0];
    for (id, size) in sizes.into_iter().enumerate() {
        redis
            .publish("t", &id.to_string(), vec![1; size])
            .await
            .unwrap();
    }
    let mut read = redis.read("t", end).await.unwrap();
    for size in sizes {
        let LogEvent::Item(_, item) = next(&mut read).await else {
            panic!("a gap");
        };
        assert_eq!(item.len(), size);
    }
    let long = "x".repeat(513);
    for refused in [
        redis.publish("t", "1", vec![0; MAX_VALUE + 1]).await,
        redis.publish(&long, "1", vec![]).await,
        redis.publish("t", &long, vec![]).await,
        redis.end(&long).await,
        redis.start(&long).await,
        redis.read(&long, end).await.map(|_| end),
    ] {
        assert!(
            matches!(refused, Err(EngineError::TooLarge { .. })),
            "{refused:?}"
        );
    }
}
