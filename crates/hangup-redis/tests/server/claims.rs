//! Records.

use std::time::Duration;

use hangup_cluster::engine::{Claims, EngineError, MAX_NAME, Swapped};
use hangup_engines::redis::{Persistence, RedisServer};
use hangup_redis::MAX_VALUE;

use crate::bench::{adopted, builder, engine, eventually, raw, write};

const RECORD: &str = "{hangup}:r:a";

fn time_left(server: &RedisServer) -> i64 {
    raw(server, &format!("PTTL {RECORD}"))
}

#[tokio::test]
async fn each_write_sets_the_time_to_live_anew() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let ttl = |seconds| Some(Duration::from_secs(seconds));
    let first = write(&redis, "a", None, "1", ttl(10)).await;
    assert!((5_000..=10_000).contains(&time_left(&server)));
    let second = write(&redis, "a", Some(first), "1", ttl(100)).await;
    assert!((50_000..=100_000).contains(&time_left(&server)));
    let third = write(&redis, "a", Some(second), "1", ttl(10)).await;
    assert!((5_000..=10_000).contains(&time_left(&server)));
    let fourth = write(&redis, "a", Some(third), "1", None).await;
    assert_eq!(time_left(&server), -1, "it stays");
    write(&redis, "a", Some(fourth), "1", ttl(10)).await;
    assert!((5_000..=10_000).contains(&time_left(&server)));
}

#[tokio::test]
async fn every_time_to_live_is_taken() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    write(&redis, "a", None, "1", Some(Duration::MAX)).await;
    assert!(time_left(&server) > 1_000_000_000);
    write(&redis, "b", None, "1", Some(Duration::ZERO)).await;
    eventually(async || redis.load("b").await.unwrap().is_none().then_some(())).await;
}

#[tokio::test]
async fn a_record_whose_time_has_passed_is_absent() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let ttl = Some(Duration::from_millis(50));
    let revision = write(&redis, "a", None, "1", ttl).await;
    eventually(async || redis.load("a").await.unwrap().is_none().then_some(())).await;
    let renewed = redis.swap("a", Some(revision), b"1".into(), ttl).await;
    assert_eq!(renewed.unwrap(), Swapped::Conflict);
    assert_eq!(redis.load("a").await.unwrap(), None, "nothing was written");
    assert!(write(&redis, "a", None, "2", None).await > revision);
}

#[tokio::test]
async fn of_many_at_once_each_swap_is_on_the_one_before() {
    let server = RedisServer::start(Persistence::Default);
    let tasks = (0..8).map(async |_| {
        let redis = engine(&server).await;
        let mut revisions = Vec::new();
        while revisions.len() < 50 {
            let record = redis.load("a").await.unwrap();
            let count: u64 = record.as_ref().map_or(0, |record| {
                String::from_utf8_lossy(&record.value).parse().unwrap()
            });
            let value = (count + 1).to_string().into();
            let expected = record.map(|record| record.revision);
            let swapped = redis.swap("a", expected, value, None).await.unwrap();
            if let Swapped::Done(revision) = swapped {
                revisions.push(revision);
            }
        }
        assert!(revisions.is_sorted());
        revisions
    });
    let mut revisions = futures_util::future::join_all(tasks).await.concat();
    revisions.sort();
    revisions.dedup();
    assert_eq!(revisions.len(), 400);
    let redis = engine(&server).await;
    let last = redis.load("a").await.unwrap().unwrap();
    assert_eq!((last.value, last.revision), (b"400".into(), revisions[399]));
}

#[tokio::test]
async fn revisions_ascend_over_all_records() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let mut last = None;
    for n in 0..200 {
        let name = format!("k{}", n % 100);
        let expected = redis
            .load(&name)
            .await
            .unwrap()
            .map(|record| record.revision);
        let revision = write(&redis, &name, expected, "1", None).await;
        assert!(Some(revision) > last);
        last = Some(revision);
    }
    // Also when the clock of the server is behind the counter.
    let ahead = 8_000_000_000_000_000;
    raw::<()>(&server, &format!("SET {{hangup}}:revision {ahead}"));
    assert_eq!(write(&redis, "x", None, "1", None).await.0, ahead + 1);
    assert_eq!(write(&redis, "y", None, "1", None).await.0, ahead + 2);
}

#[tokio::test]
async fn values_and_names_of_every_size_are_taken_or_refused() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let bytes: Vec<u8> = (0..=255).collect();
    let large = vec![7; MAX_VALUE];
    let longest = "x".repeat(MAX_NAME);
    let odd = "A-Z.a=_z-09";
    for (name, value) in [("e", vec![]), (&longest, bytes), (odd, large)] {
        let swapped = redis.swap(name, None, value.clone(), None).await.unwrap();
        let record = redis.load(name).await.unwrap().unwrap();
        assert_eq!(Swapped::Done(record.revision), swapped);
        assert!(record.value == value, "another value of {name}");
    }
    let too_long = "x".repeat(MAX_NAME + 1);
    let refused = redis.load(&too_long).await.unwrap_err();
    assert!(matches!(
        refused,
        EngineError::TooLarge {
            size: 513,
            limit: MAX_NAME
        }
    ));
    let refused = redis.swap(&too_long, None, vec![], None).await.unwrap_err();
    assert!(matches!(refused, EngineError::TooLarge { size: 513, .. }));
    let refused = redis.swap("t", None, vec![0; MAX_VALUE + 1], None).await;
    assert!(matches!(
        refused,
        Err(EngineError::TooLarge {
            limit: MAX_VALUE,
            ..
        })
    ));
    assert_eq!(redis.load("t").await.unwrap(), None);
}

#[tokio::test]
async fn engines_with_other_prefixes_are_apart() {
    let server = RedisServer::start(Persistence::Default);
    let one = adopted(builder(&server).prefix("one")).await;
    let two = adopted(builder(&server).prefix("two")).await;
    write(&one, "a", None, "1", None).await;
    assert_eq!(two.load("a").await.unwrap(), None);
    let mut keys: Vec<String> = raw(&server, "KEYS *");
    keys.sort();
    let one_slot = [
        "{one}:incarnation",
        "{one}:r:a",
        "{one}:revision",
        "{two}:incarnation",
    ];
    assert_eq!(keys, one_slot);
    assert!(builder(&server).prefix("a{b}").build().is_err());
    assert!(builder(&server).prefix("").build().is_err());
}

#[tokio::test]
async fn a_server_that_has_lost_the_scripts_gets_them_again() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let revision = write(&redis, "a", None, "1", None).await;
    raw::<()>(&server, "SCRIPT FLUSH");
    write(&redis, "a", Some(revision), "2", None).await;
    let stats: String = raw(&server, "INFO commandstats");
    assert!(stats.contains("cmdstat_eval:"), "it is sent whole: {stats}");
    assert!(
        stats.contains("cmdstat_evalsha:"),
        "else by its hash: {stats}"
    );
}
