//! Answers that are lost on the way.

use std::time::Duration;

use hangup_cluster::engine::{Claims, Hints, Log};
use hangup_engines::redis::{Persistence, RedisServer};
use hangup_redis::Redis;
use tokio_stream::StreamExt;

use crate::bench::{adopted, engine, eventually, hasty, known, raw, unknown, write};
use crate::proxy::Proxy;

/// It may have been written: if it were sent again, it would be a conflict with itself.
#[tokio::test]
async fn a_swap_whose_answer_is_lost_is_unknown_and_not_repeated() {
    let server = RedisServer::start(Persistence::Default);
    let proxy = Proxy::to(&server).await;
    let redis = adopted(Redis::builder(proxy.url())).await;
    let first = write(&redis, "a", None, "1", None).await;
    proxy.cut_the_next_answer();
    unknown(redis.swap("a", Some(first), b"2".into(), None).await);
    let record = redis.load("a").await.unwrap().unwrap();
    assert_eq!(record.value, b"2");
    write(&redis, "a", Some(record.revision), "3", None).await;
}

#[tokio::test]
async fn what_can_be_repeated_is() {
    let server = RedisServer::start(Persistence::Default);
    let proxy = Proxy::to(&server).await;
    let redis = adopted(Redis::builder(proxy.url())).await;
    let revision = write(&redis, "a", None, "1", None).await;
    let end = redis.end("t").await.unwrap();
    for number in 1..=10 {
        proxy.cut_the_next_answer();
        let record = redis.load("a").await.unwrap().unwrap();
        assert_eq!(record.revision, revision);
        proxy.cut_the_next_answer();
        redis.adopt().await.unwrap();
        proxy.cut_the_next_answer();
        let cursor = redis.publish("t", &number.to_string(), b"1".into()).await;
        assert_eq!(
            cursor.unwrap().number(),
            end.number() + number,
            "it is there once"
        );
    }
}

/// As when a host is gone, or a firewall has forgotten the connection: it is not closed.
#[tokio::test]
async fn a_silent_connection_is_given_up() {
    let server = RedisServer::start(Persistence::Default);
    let proxy = Proxy::to(&server).await;
    let limit = Duration::from_millis(200);
    let redis = hasty(Redis::builder(proxy.url()).timeout(limit)).await;
    let mut hints = known(async || redis.listen("i").await).await.unwrap();
    proxy.silence_connections();
    unknown(redis.load("a").await);
    assert_eq!(known(async || redis.load("a").await).await.unwrap(), None);
    let other = engine(&server).await;
    let hint = eventually(async || {
        other.send("i", b"1".into()).await.unwrap();
        tokio::time::timeout(limit / 10, hints.next()).await.ok()
    });
    assert_eq!(hint.await.unwrap(), b"1");
}

/// The connection that listens is lost together with that of the calls, so the latter is not
/// tried by a write, which could not be repeated.
#[tokio::test]
async fn the_first_write_after_a_restart_succeeds_for_who_listens() {
    let mut server = RedisServer::start(Persistence::Always);
    let redis = engine(&server).await;
    let mut hints = redis.listen("i").await.unwrap();
    let mut last = None;
    for _ in 0..5 {
        server.kill();
        server.restart();
        // By another client, so that the engine calls nothing.
        eventually(async || {
            raw::<()>(&server, "PUBLISH {hangup}:h:i 1");
            let hint = tokio::time::timeout(Duration::from_millis(20), hints.next());
            hint.await.ok()
        })
        .await;
        last = Some(write(&redis, "a", last, "1", None).await);
    }
}
