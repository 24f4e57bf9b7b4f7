//! No answer, and answers that tell nothing.

use std::time::{Duration, Instant};

use hangup_cluster::engine::{Claims, Hints, Log, LogEvent, Swapped};
use hangup_engines::redis::{Persistence, RedisServer};
use hangup_redis::{ConnectError, Redis};
use tokio_stream::StreamExt;

use crate::bench::{
    LONG, adopted, assert_forgotten, builder, engine, eventually, hasty, known, raw, unknown, write,
};
use crate::proxy::Proxy;

#[tokio::test]
async fn each_call_to_a_stopped_server_is_unknown_in_time() {
    let server = RedisServer::start(Persistence::Default);
    let limit = Duration::from_millis(200);
    let redis = hasty(builder(&server).timeout(limit)).await;
    let other = engine(&server).await;
    let revision = write(&other, "a", None, "1", None).await;
    let cursor = other.end("t").await.unwrap();
    // It has a connection, so that the swap is sent.
    known(async || redis.load("a").await).await.unwrap();

    server.stop();
    let begun = Instant::now();
    let why = unknown(redis.swap("a", Some(revision), b"2".into(), None).await);
    assert_eq!(why, "none within 200ms");
    unknown(redis.adopt().await);
    unknown(redis.load("a").await);
    unknown(redis.send("i", b"1".into()).await);
    unknown(redis.listen("i").await.map(|_| ()));
    unknown(redis.publish("t", "1", b"1".into()).await);
    unknown(redis.end("t").await);
    unknown(redis.start("t").await);
    unknown(redis.read("t", cursor).await.map(|_| ()));
    let took = begun.elapsed();
    assert!(took < 9 * limit + LONG, "nine calls took {took:?}");
    server.go_on();

    // The swap was sent, and takes effect late.
    let value = eventually(async || {
        let record = redis.load("a").await.ok()?.unwrap();
        (record.revision != revision).then_some(record.value)
    });
    assert_eq!(value.await, b"2");
    let publish = async || redis.publish("t", "1", b"1".into()).await;
    known(publish).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_away_is_unknown_and_served_once_it_is_back() {
    let mut server = RedisServer::start(Persistence::Always);
    let redis = adopted(builder(&server).timeout(LONG)).await;
    let revision = write(&redis, "a", None, "1", None).await;
    server.kill();
    let begun = Instant::now();
    unknown(redis.load("a").await);
    unknown(redis.swap("a", Some(revision), b"2".into(), None).await);
    unknown(redis.listen("i").await.map(|_| ()));
    assert!(begun.elapsed() < LONG, "refused, not late");
    let refused = builder(&server).connect().await;
    assert!(
        matches!(refused, Err(ConnectError::Unreachable(_))),
        "{refused:?}"
    );
    let lazy = builder(&server).build().unwrap();
    unknown(lazy.adopt().await);

    server.restart();
    lazy.adopt().await.unwrap();
    let record = known(async || redis.load("a").await)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(record.revision, revision);
    write(&lazy, "a", Some(revision), "2", None).await;
}

/// What can be repeated is, so that the loss of an idle connection is not told; and who listens
/// learns of the loss before a write has to.
#[tokio::test]
async fn a_lost_connection_is_not_told_to_those_who_can_do_without() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let revision = write(&redis, "a", None, "1", None).await;
    for round in 0..20 {
        raw::<()>(&server, "CLIENT KILL TYPE normal");
        assert_eq!(redis.load("a").await.unwrap().unwrap().revision, revision);
        raw::<()>(&server, "CLIENT KILL TYPE normal");
        redis
            .publish("t", &round.to_string(), b"1".into())
            .await
            .unwrap();
    }
    let (start, end) = (
        redis.start("t").await.unwrap(),
        redis.end("t").await.unwrap(),
    );
    assert_eq!(end.number() - start.number(), 20);
}

#[tokio::test]
async fn a_replica_neither_writes_nor_reads() {
    let primary = RedisServer::start(Persistence::Default);
    let redis = adopted(builder(&primary).durable(true)).await;
    let revision = write(&redis, "a", None, "1", None).await;
    redis.publish("t", "1", b"1".into()).await.unwrap();
    let replica = RedisServer::start(Persistence::Default);
    // A node that has adopted the same life, and whose server is no primary any more.
    let life: String = raw(&primary, "HGET {hangup}:incarnation life");
    raw::<()>(
        &replica,
        &format!("HSET {{hangup}}:incarnation life {life} process *"),
    );
    let demoted = adopted(builder(&replica).durable(true)).await;
    let address = primary.addr().replace(':', " ");
    raw::<()>(&replica, &format!("REPLICAOF {address}"));
    eventually(async || {
        raw::<String>(&replica, "INFO replication")
            .contains("master_link_status:up")
            .then_some(())
    })
    .await;
    let why = [
        unknown(demoted.adopt().await),
        unknown(demoted.load("a").await),
        unknown(demoted.swap("a", Some(revision), b"2".into(), None).await),
        unknown(demoted.swap("a", None, b"2".into(), None).await),
        unknown(demoted.publish("t", "1", b"1".into()).await),
        unknown(demoted.start("t").await),
        unknown(demoted.end("t").await),
        unknown(demoted.publish("t", "2", b"2".into()).await),
    ];
    for why in why {
        assert!(
            why.contains("read only replica") || why.contains("ReadOnly"),
            "{why}"
        );
    }
    // It does not tell of another life either.
    raw::<()>(&primary, "HSET {hangup}:incarnation life 0000000000005eed");
    eventually(async || {
        (raw::<String>(&replica, "HGET {hangup}:incarnation life") == "0000000000005eed")
            .then_some(())
    })
    .await;
    unknown(demoted.load("a").await);
    unknown(demoted.swap("a", None, b"2".into(), None).await);
    unknown(demoted.publish("t", "1", b"1".into()).await);
    // Once it is the primary, it does, and serves.
    raw::<()>(&replica, "REPLICAOF NO ONE");
    assert_forgotten(demoted.load("a").await);
    raw::<()>(
        &replica,
        &format!("HSET {{hangup}}:incarnation life {life}"),
    );
    demoted.adopt().await.unwrap();
    assert_eq!(demoted.load("a").await.unwrap().unwrap().revision, revision);
    assert!(write(&demoted, "a", Some(revision), "2", None).await > revision);
}

#[tokio::test]
async fn a_fail_over_is_forgotten_unless_it_is_said_to_lose_nothing() {
    let primary = RedisServer::start(Persistence::Always);
    let proxy = Proxy::to(&primary).await;
    let careful = adopted(Redis::builder(proxy.url()).durable(false)).await;
    let revision = write(&careful, "a", None, "1", None).await;
    let replica = RedisServer::start(Persistence::Always);
    let address = primary.addr().replace(':', " ");
    raw::<()>(&replica, &format!("REPLICAOF {address}"));
    eventually(async || {
        let info = raw::<String>(&replica, "INFO replication");
        info.contains("master_link_status:up").then_some(())
    })
    .await;
    raw::<()>(&replica, "REPLICAOF NO ONE");
    proxy.lead_to(&replica);
    proxy.close_connections();
    assert_forgotten(known(async || careful.load("a").await).await);
    careful.adopt().await.unwrap();
    assert_eq!(careful.load("a").await.unwrap(), None);
    assert!(write(&careful, "a", None, "2", None).await > revision);
}

#[tokio::test]
async fn a_server_without_memory_writes_nothing_and_reads_on() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let revision = write(&redis, "a", None, "1", None).await;
    let cursor = redis.publish("t", "1", b"1".into()).await.unwrap();
    raw::<()>(&server, "CONFIG SET maxmemory 1");
    let counter: u64 = raw(&server, "GET {hangup}:revision");
    let why = unknown(redis.swap("a", Some(revision), b"2".into(), None).await);
    assert!(why.contains("OOM"), "{why}");
    assert!(unknown(redis.publish("t", "2", b"2".into()).await).contains("OOM"));
    assert_eq!(raw::<u64>(&server, "GET {hangup}:revision"), counter);
    assert_eq!(redis.load("a").await.unwrap().unwrap().revision, revision);
    assert_eq!(redis.end("t").await.unwrap(), cursor);
}

#[tokio::test]
async fn credentials_are_those_of_the_url() {
    let server = RedisServer::start_with(Persistence::Default, &["--requirepass", "secret"]);
    let refused = builder(&server).connect().await;
    assert!(
        matches!(refused, Err(ConnectError::Unreachable(_))),
        "{refused:?}"
    );
    let redis = adopted(Redis::builder(format!(
        "redis://:secret@{}/",
        server.addr()
    )))
    .await;
    write(&redis, "a", None, "1", None).await;
    let mut hints = redis.listen("i").await.unwrap();
    redis.send("i", b"1".into()).await.unwrap();
    assert_eq!(hints.next().await.unwrap(), b"1");
    assert!(!format!("{redis:?} {:?}", builder(&server)).contains("secret"));
    assert!(matches!(
        Redis::connect("none").await,
        Err(ConnectError::Client(_))
    ));
}

#[tokio::test]
async fn a_call_that_is_dropped_hurts_no_other() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    for n in 0..200_u32 {
        let name = format!("k{n}");
        let mut swap = redis.swap(&name, None, b"1".into(), None);
        // Dropped at its first await, or a little later.
        let wait = Duration::from_micros(u64::from(n) * 5);
        let _ = tokio::time::timeout(wait, &mut swap).await;
        drop(swap);
        let own = format!("own{n}");
        let revision = write(&redis, &own, None, &own, None).await;
        let record = redis.load(&own).await.unwrap().unwrap();
        assert_eq!(
            (record.revision, record.value),
            (revision, own.into_bytes())
        );
    }
}

#[tokio::test]
async fn an_engine_outlives_the_runtime_that_it_was_used_in() {
    let server = RedisServer::start(Persistence::Default);
    let redis = builder(&server).build().unwrap();
    let inner = redis.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            inner.adopt().await.unwrap();
            drop(inner.listen("i").await.unwrap());
        });
    })
    .join()
    .unwrap();
    assert_eq!(redis.load("a").await.unwrap(), None);
    let mut hints = redis.listen("i").await.unwrap();
    redis.send("i", b"1".into()).await.unwrap();
    let hint = tokio::time::timeout(LONG, hints.next()).await.unwrap();
    assert_eq!(hint.unwrap(), b"1");
}

/// The rights that the README names.
const RIGHTS: &str = "+eval +evalsha +info +get +set +del +persist +pexpire +pttl +hget +hset \
    +hmget +xadd +xrange +time +publish +subscribe +unsubscribe +ping";

#[tokio::test]
async fn a_user_needs_no_more_rights_than_the_readme_names() {
    assert!(include_str!("../../README.md").contains(&format!("`{RIGHTS}`")));
    let user =
        format!("ACL SETUSER engine on >secret ~{{hangup}}:* resetchannels &{{hangup}}:* {RIGHTS}");
    // So often it looks whether there are listeners.
    let limit = Duration::from_secs(2);
    let mut server = RedisServer::start(Persistence::Always);
    raw::<()>(&server, &user);
    let url = format!("redis://engine:secret@{}/", server.addr());
    let redis = adopted(Redis::builder(url).timeout(limit)).await;
    let ttl = Some(Duration::from_secs(10));
    let first = write(&redis, "a", None, "1", ttl).await;
    write(&redis, "a", Some(first), "1", None).await;
    redis.load("a").await.unwrap();
    let mut hints = redis.listen("i").await.unwrap();
    redis.send("i", b"1".into()).await.unwrap();
    assert_eq!(hints.next().await.unwrap(), b"1");
    let end = redis.end("t").await.unwrap();
    raw::<()>(&server, "PEXPIRE {hangup}:n:t 100000");
    let mut read = redis.read("t", end).await.unwrap();
    redis.publish("t", "1", b"1".into()).await.unwrap();
    read.next().await.unwrap().unwrap();
    drop((hints, read));
    eventually(async || {
        raw::<String>(&server, "CLIENT LIST TYPE pubsub")
            .is_empty()
            .then_some(())
    })
    .await;
    // It may not be asked whether it loses anything, and so it is taken to.
    server.kill();
    server.restart();
    raw::<()>(&server, &user);
    assert_forgotten(known(async || redis.load("a").await).await);
    redis.adopt().await.unwrap();
    // Also what is of the life before, and is dropped.
    redis.publish("t", "1", b"1".into()).await.unwrap();
    assert_eq!(redis.load("a").await.unwrap(), None);
}

#[tokio::test]
async fn the_newer_protocol_is_as_good() {
    let server = RedisServer::start(Persistence::Default);
    let redis = adopted(Redis::builder(format!("{}?protocol=resp3", server.url()))).await;
    let revision = write(&redis, "a", None, "1", None).await;
    assert_eq!(redis.load("a").await.unwrap().unwrap().revision, revision);
    assert_eq!(redis.load("b").await.unwrap(), None);
    let conflict = redis.swap("a", None, b"2".into(), None).await.unwrap();
    assert_eq!(conflict, Swapped::Conflict);
    let mut hints = redis.listen("i").await.unwrap();
    redis.send("i", b"1".into()).await.unwrap();
    assert_eq!(hints.next().await.unwrap(), b"1");
    let mut read = redis
        .read("t", redis.end("t").await.unwrap())
        .await
        .unwrap();
    let at = redis.publish("t", "1", b"1".into()).await.unwrap();
    assert_eq!(
        read.next().await.unwrap().unwrap(),
        LogEvent::Item(at, b"1".into())
    );
    raw::<()>(&server, "CLIENT KILL TYPE pubsub");
    let at = redis.publish("t", "2", b"2".into()).await.unwrap();
    assert_eq!(
        read.next().await.unwrap().unwrap(),
        LogEvent::Item(at, b"2".into())
    );
    raw::<()>(&server, "FLUSHALL");
    assert_forgotten(redis.load("a").await);
}
