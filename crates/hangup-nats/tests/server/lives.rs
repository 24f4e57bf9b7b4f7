//! The lives of the streams: which is whose, and what ends one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use hangup::topic::Cursor;
use hangup_cluster::engine::{Claims, Log, LogEvent};
use hangup_engines::nats::NatsServer;
use hangup_nats::Nats;
use hangup_nats::async_nats::jetstream::stream::Config;

use crate::bench::{assert_forgotten, builder, engine, known, next, raw, server, unknown, write};

/// Removes a stream and makes it anew, as another one, or as it was.
async fn replace(server: &NatsServer, stream: &str, change: impl FnOnce(&mut Config)) {
    let raw = raw(server).await;
    let mut config = raw
        .get_stream(stream)
        .await
        .unwrap()
        .cached_info()
        .config
        .clone();
    raw.delete_stream(stream).await.unwrap();
    change(&mut config);
    raw.create_stream(config).await.unwrap();
}

#[tokio::test]
async fn what_was_wiped_is_forgotten_until_it_is_adopted() {
    let mut server = server();
    let nats = engine(&server).await;
    let before = write(&nats, "name", None, None).await;
    let at = nats.publish("topic", "id", b"item".to_vec()).await.unwrap();
    server.kill();
    server.wipe();
    server.restart();
    // Another node begins the next life.
    let other = engine(&server).await;
    for _ in 0..2 {
        assert_forgotten(known(async || nats.load("name").await).await);
        assert_forgotten(nats.swap("name", None, Vec::new(), None).await);
        assert_forgotten(nats.swap("name", Some(before), Vec::new(), None).await);
        assert_forgotten(nats.publish("topic", "id", Vec::new()).await);
        assert_forgotten(nats.end("topic").await);
        assert_forgotten(nats.start("topic").await);
        assert_forgotten(nats.read("topic", at).await.map(drop));
    }
    assert_eq!(other.load("name").await.unwrap(), None);
    assert_eq!(
        other.end("topic").await.unwrap(),
        other.start("topic").await.unwrap()
    );
    nats.adopt().await.unwrap();
    assert!(write(&nats, "name", None, None).await > before);
    let mut read = nats.read("topic", at).await.unwrap();
    assert!(
        matches!(next(&mut read).await.unwrap(), LogEvent::Gap(gap) if gap.incarnation() != at.incarnation())
    );
}

#[tokio::test]
async fn nodes_that_adopt_at_once_agree() {
    let server = server();
    let mut engines = Vec::new();
    for _ in 0..8 {
        engines.push(builder(&server).connect().await.unwrap());
    }
    for adopted in join_all(engines.iter().map(Nats::adopt)).await {
        adopted.unwrap();
    }
    for (index, nats) in engines.iter().enumerate() {
        write(nats, &format!("name-{index}"), None, None).await;
        for other in &engines {
            assert!(
                other
                    .load(&format!("name-{index}"))
                    .await
                    .unwrap()
                    .is_some()
            );
        }
    }
    let ends = join_all(engines.iter().map(|nats| nats.end("topic"))).await;
    let lives: Vec<_> = ends
        .iter()
        .map(|end| end.as_ref().unwrap().incarnation())
        .collect();
    assert!(lives.iter().all(|life| *life == lives[0]), "{lives:?}");
}

#[tokio::test]
async fn a_stream_that_is_not_ours_is_an_error() {
    let server = server();
    let config = Config {
        name: "hangup-records".to_owned(),
        subjects: vec!["orders.>".to_owned()],
        ..Config::default()
    };
    raw(&server).await.create_stream(config).await.unwrap();
    let nats = builder(&server).connect().await.unwrap();
    assert!(unknown(nats.adopt().await).contains("is not one of hangup"));
    assert_forgotten(nats.load("name").await);
}

#[tokio::test]
async fn a_stream_that_was_changed_by_hand_is_not_adopted() {
    let server = server();
    let nats = engine(&server).await;
    let raw = raw(&server).await;
    let stream = raw.get_stream("hangup-records").await.unwrap();
    assert!(stream.purge().await.is_err(), "records are removed by hand");
    let config = Config {
        max_age: Duration::from_secs(3600),
        ..stream.cached_info().config.clone()
    };
    raw.update_stream(config).await.unwrap();
    assert!(unknown(nats.adopt().await).contains("changed by hand"));
}

#[tokio::test]
async fn a_stream_that_takes_all_subjects_is_not_the_records() {
    let server = server();
    let nats = engine(&server).await;
    let raw = raw(&server).await;
    for stream in ["hangup-records", "hangup-log"] {
        raw.delete_stream(stream).await.unwrap();
    }
    let config = Config {
        name: "everything".to_owned(),
        subjects: vec!["hangup.>".to_owned()],
        ..Config::default()
    };
    raw.create_stream(config).await.unwrap();
    assert_forgotten(nats.swap("name", None, Vec::new(), None).await);
    assert_forgotten(nats.publish("topic", "id", Vec::new()).await);
}

#[tokio::test]
async fn a_stream_that_was_emptied_under_its_name_is_told() {
    let server = server();
    let nats = engine(&server).await;
    let reads = engine(&server).await;
    write(&nats, "name", None, None).await;
    // More than are written below before each has met the empty stream.
    write(&nats, "more", None, None).await;
    write(&nats, "most", None, None).await;
    let before = write(&nats, "other", None, None).await;
    let adopts = engine(&server).await;
    reads.load("other").await.unwrap();
    let item = nats.publish("topic", "id", b"item".to_vec()).await.unwrap();
    // As servers do that know of the stream by others and have lost their disk.
    replace(&server, "hangup-records", |_| ()).await;
    replace(&server, "hangup-log", |_| ()).await;
    assert_forgotten(nats.swap("name", None, Vec::new(), None).await);
    assert_forgotten(nats.publish("topic", "id", b"item".to_vec()).await);
    // These have written nothing, and know what was there.
    assert_forgotten(reads.swap("second", None, Vec::new(), None).await);
    assert_forgotten(adopts.swap("third", None, Vec::new(), None).await);
    let late = engine(&server).await;
    for name in ["fourth", "fifth"] {
        write(&late, name, None, None).await;
    }
    // Though it has more writes again than it had.
    for _ in 0..2 {
        assert!(unknown(nats.adopt().await).contains("was emptied"));
    }
    raw(&server)
        .await
        .delete_stream("hangup-records")
        .await
        .unwrap();
    raw(&server)
        .await
        .delete_stream("hangup-log")
        .await
        .unwrap();
    nats.adopt().await.unwrap();
    assert!(write(&nats, "name", None, None).await > before);
    let again = nats.publish("topic", "id", b"item".to_vec()).await.unwrap();
    assert_ne!(again.incarnation(), item.incarnation());
}

#[tokio::test]
async fn revisions_ascend_though_the_clock_was_set_back() {
    let server = server();
    let nats = engine(&server).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ahead = u64::try_from((now + Duration::from_secs(3600)).as_micros()).unwrap();
    replace(&server, "hangup-records", |config| {
        config.first_sequence = Some(ahead);
    })
    .await;
    let before = write(&nats, "name", None, None).await;
    assert!(before.0 >= ahead);
    raw(&server)
        .await
        .delete_stream("hangup-records")
        .await
        .unwrap();
    nats.adopt().await.unwrap();
    assert!(write(&nats, "name", None, None).await > before);
}

#[tokio::test]
async fn a_log_that_is_used_alone_goes_on_in_the_next_life() {
    let mut server = server();
    let nats = builder(&server).connect().await.unwrap();
    let at = nats.publish("topic", "1", b"1".to_vec()).await.unwrap();
    let incarnation = |cursor: Cursor| cursor.incarnation();
    server.kill();
    server.wipe();
    server.restart();
    let again = known(async || nats.publish("topic", "1", b"2".to_vec()).await)
        .await
        .unwrap();
    assert_ne!(incarnation(again), incarnation(at));
    let mut read = nats.read("topic", at).await.unwrap();
    assert!(
        matches!(next(&mut read).await.unwrap(), LogEvent::Gap(gap) if incarnation(gap) == incarnation(again))
    );
    assert_eq!(
        next(&mut read).await.unwrap(),
        LogEvent::Item(again, b"2".to_vec())
    );
    server.kill();
    server.wipe();
    server.restart();
    let end = known(async || nats.end("topic").await).await.unwrap();
    assert_ne!(incarnation(end), incarnation(again));
}

#[tokio::test]
async fn a_log_that_alone_is_lost_has_a_gap() {
    let server = server();
    let nats = engine(&server).await;
    let key = write(&nats, "key", None, None).await;
    let old = nats.publish("topic", "1", b"old".to_vec()).await.unwrap();
    raw(&server)
        .await
        .delete_stream("hangup-log")
        .await
        .unwrap();
    let new = nats.publish("topic", "2", b"new".to_vec()).await.unwrap();
    assert_ne!(new.incarnation(), old.incarnation());
    let mut reader = nats.read("topic", old).await.unwrap();
    let gap = next(&mut reader).await.unwrap();
    assert!(matches!(gap, LogEvent::Gap(to) if to.incarnation() == new.incarnation()));
    let item = next(&mut reader).await.unwrap();
    assert_eq!(item, LogEvent::Item(new, b"new".to_vec()));
    assert_eq!(nats.load("key").await.unwrap().unwrap().revision, key);
    // The records are lost as well, and nothing is made anew by itself.
    for stream in ["hangup-log", "hangup-records"] {
        raw(&server).await.delete_stream(stream).await.unwrap();
    }
    assert_forgotten(nats.publish("topic", "3", Vec::new()).await);
    assert_forgotten(nats.end("topic").await);
    assert_forgotten(nats.read("topic", new).await.map(drop));
}
