//! The first repair: a store that has forgotten is noticed. The second: its revisions ascend.

use hangup_cluster::engine::{Claims, Log, LogEvent, Swapped};
use hangup_engines::redis::{Persistence, RedisServer};
use tokio_stream::StreamExt;

use crate::bench::{assert_forgotten, builder, engine, eventually, known, raw, write};

#[tokio::test]
async fn a_server_that_lost_everything_is_forgotten_until_it_is_adopted() {
    let mut server = RedisServer::start(Persistence::Default);
    let (redis, other) = (engine(&server).await, engine(&server).await);
    let mut revision = write(&redis, "a", None, "1", None).await;
    for _ in 0..100 {
        revision = write(&redis, "a", Some(revision), "1", None).await;
    }
    let cursor = redis.publish("t", "1", b"1".into()).await.unwrap();
    let mut running = redis.read("t", cursor).await.unwrap();

    server.kill();
    server.restart();

    for redis in [&redis, &other] {
        assert_forgotten(known(async || redis.load("a").await).await);
        assert_forgotten(redis.swap("a", None, b"2".into(), None).await);
        assert_forgotten(redis.swap("a", Some(revision), b"2".into(), None).await);
        assert_forgotten(redis.publish("t", "2", b"2".into()).await);
        assert_forgotten(redis.end("t").await);
        assert_forgotten(redis.start("t").await);
        assert_forgotten(redis.read("t", cursor).await.map(|_| ()));
    }
    assert_forgotten(running.next().await.unwrap());
    assert!(running.next().await.is_none());
    assert_eq!(raw::<u64>(&server, "DBSIZE"), 0, "nothing was done");

    redis.adopt().await.unwrap();
    assert_eq!(redis.load("a").await.unwrap(), None);
    let after = write(&redis, "a", None, "2", None).await;
    assert!(after > revision, "{after} after {revision}");
    let first = redis.publish("t", "3", b"3".into()).await.unwrap();
    assert_ne!(first.incarnation(), cursor.incarnation());
    let mut read = redis.read("t", cursor).await.unwrap();
    let LogEvent::Gap(gap) = read.next().await.unwrap().unwrap() else {
        panic!("the log of another life is a gap");
    };
    assert_eq!(gap.incarnation(), first.incarnation());
    assert_eq!(
        read.next().await.unwrap().unwrap(),
        LogEvent::Item(first, b"3".into())
    );

    // What another has adopted is no matter.
    assert_forgotten(other.load("a").await);
    other.adopt().await.unwrap();
    assert_eq!(other.load("a").await.unwrap().unwrap().revision, after);
}

/// Its incarnation was saved, and what came after it is lost.
#[tokio::test]
async fn a_server_that_comes_back_with_what_it_saved_is_forgotten() {
    // It would sync, and there is no file to sync.
    let options = ["--appendfsync", "always"];
    let mut server = RedisServer::start_with(Persistence::Default, &options);
    let redis = engine(&server).await;
    let saved = write(&redis, "a", None, "saved", None).await;
    let at = redis.publish("t", "1", b"saved".into()).await.unwrap();
    raw::<()>(&server, "SAVE");
    let lost = write(&redis, "a", Some(saved), "lost", None).await;
    redis.publish("t", "2", b"lost".into()).await.unwrap();
    server.kill();
    server.restart();
    assert_eq!(raw::<String>(&server, "HGET {hangup}:r:a value"), "saved");

    assert_forgotten(known(async || redis.load("a").await).await);
    assert_forgotten(redis.swap("a", Some(saved), b"2".into(), None).await);
    assert_forgotten(redis.publish("t", "1", b"2".into()).await);
    assert_forgotten(redis.read("t", at).await.map(|_| ()));
    redis.adopt().await.unwrap();
    // What it saved is of another life.
    assert_eq!(redis.load("a").await.unwrap(), None);
    let conflict = redis.swap("a", Some(saved), b"2".into(), None).await;
    assert_eq!(conflict.unwrap(), Swapped::Conflict);
    assert!(write(&redis, "a", None, "2", None).await > lost);
    assert_eq!(redis.load("a").await.unwrap().unwrap().value, b"2");
    let first = redis.publish("t", "1", b"3".into()).await.unwrap();
    assert_eq!(redis.start("t").await.unwrap().number() + 1, first.number());
    let mut read = redis.read("t", at).await.unwrap();
    let gap = LogEvent::Gap(redis.start("t").await.unwrap());
    assert_eq!(read.next().await.unwrap().unwrap(), gap);
    let item = LogEvent::Item(first, b"3".into());
    assert_eq!(read.next().await.unwrap().unwrap(), item);

    // A node that comes now takes the same life, and one that reads first begins none.
    let other = engine(&server).await;
    assert_eq!(other.load("a").await.unwrap().unwrap().value, b"2");
    assert_eq!(other.end("t").await.unwrap(), first);
}

#[tokio::test]
async fn a_topic_of_another_life_is_empty() {
    let mut server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let at = redis.publish("t", "1", b"1".into()).await.unwrap();
    raw::<()>(&server, "SAVE");
    server.kill();
    server.restart();
    known(async || redis.adopt().await).await.unwrap();
    let end = redis.end("t").await.unwrap();
    assert_eq!(redis.start("t").await.unwrap(), end);
    assert!(end.number() > at.number());
    let mut read = redis.read("t", at).await.unwrap();
    assert_eq!(read.next().await.unwrap().unwrap(), LogEvent::Gap(end));
}

/// A node alone, and one that shares a life with it.
#[tokio::test]
async fn a_server_that_syncs_less_than_it_did_is_forgotten() {
    let server = RedisServer::start(Persistence::Always);
    let (redis, other) = (engine(&server).await, engine(&server).await);
    write(&redis, "a", None, "1", None).await;
    raw::<()>(&server, "CONFIG SET appendfsync everysec");
    raw::<()>(&server, "CLIENT KILL TYPE normal");
    assert_forgotten(known(async || redis.load("a").await).await);
    assert_forgotten(known(async || other.load("a").await).await);
    redis.adopt().await.unwrap();
    let revision = write(&redis, "a", None, "1", None).await;
    assert_forgotten(other.load("a").await);
    other.adopt().await.unwrap();
    assert_eq!(other.load("a").await.unwrap().unwrap().revision, revision);
    // It is a life of this process.
    raw::<()>(&server, "CLIENT KILL TYPE normal");
    assert_eq!(redis.load("a").await.unwrap().unwrap().revision, revision);
    raw::<()>(&server, "CONFIG SET appendfsync always");
    raw::<()>(&server, "CLIENT KILL TYPE normal");
    assert_eq!(redis.load("a").await.unwrap().unwrap().revision, revision);
}

#[tokio::test]
async fn a_server_that_syncs_each_write_loses_none() {
    let mut server = RedisServer::start(Persistence::Always);
    let redis = engine(&server).await;
    let mut written = Vec::new();
    for round in 0..3 {
        for name in 0..20 {
            let name = format!("{round}-{name}");
            written.push((write(&redis, &name, None, &name, None).await, name));
        }
        let cursor = redis
            .publish("t", &round.to_string(), b"1".into())
            .await
            .unwrap();
        server.kill();
        server.restart();
        for (revision, name) in &written {
            let record = known(async || redis.load(name).await)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(
                (record.revision, record.value),
                (*revision, name.clone().into())
            );
        }
        assert_eq!(redis.end("t").await.unwrap(), cursor);
    }
    assert!(written.is_sorted(), "{written:?}");
}

#[tokio::test]
async fn nothing_is_asked_before_the_adoption() {
    let server = RedisServer::start(Persistence::Default);
    engine(&server).await;
    let redis = builder(&server).connect().await.unwrap();
    assert_forgotten(redis.load("a").await);
    assert_forgotten(redis.swap("a", None, b"1".into(), None).await);
}

#[tokio::test]
async fn all_adopt_the_same_life() {
    let server = RedisServer::start(Persistence::Default);
    let engines = [engine(&server).await, engine(&server).await];
    let [a, b] = &engines;
    a.adopt().await.unwrap();
    let revision = write(a, "a", None, "1", None).await;
    assert_eq!(b.load("a").await.unwrap().unwrap().revision, revision);
}

#[tokio::test]
async fn a_store_that_is_emptied_under_a_connection_is_forgotten() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    write(&redis, "a", None, "1", None).await;
    let at = redis.end("t").await.unwrap();
    raw::<()>(&server, "FLUSHALL");
    assert_forgotten(redis.load("a").await);
    assert_forgotten(redis.swap("a", None, b"2".into(), None).await);
    assert_forgotten(redis.publish("t", "1", b"1".into()).await);
    assert_forgotten(redis.end("t").await);
    assert_forgotten(redis.start("t").await);
    assert_forgotten(redis.read("t", at).await.map(|_| ()));
    assert_eq!(raw::<u64>(&server, "DBSIZE"), 0, "nothing was done");
}

#[tokio::test]
async fn a_log_alone_needs_no_adoption_and_tells_of_another_life() {
    let server = RedisServer::start(Persistence::Default);
    // So often a reader looks by itself, and so long each call may take.
    let every = std::time::Duration::from_secs(2);
    let redis = builder(&server).timeout(every).connect().await.unwrap();
    let end = redis.end("t").await.unwrap();
    let mut read = redis.read("t", end).await.unwrap();
    let first = redis.publish("t", "1", b"1".into()).await.unwrap();
    assert_eq!(
        read.next().await.unwrap().unwrap(),
        LogEvent::Item(first, b"1".into())
    );

    raw::<()>(&server, "FLUSHALL");
    // It is not woken, and looks by itself.
    let event = eventually(async || read.next().await).await.unwrap();
    let LogEvent::Gap(gap) = event else {
        panic!("not a gap: {event:?}");
    };
    assert_ne!(gap.incarnation(), first.incarnation());
    let second = redis.publish("t", "1", b"2".into()).await.unwrap();
    assert_eq!(
        read.next().await.unwrap().unwrap(),
        LogEvent::Item(second, b"2".into())
    );
}
