//! Records, as they are on the server.

use std::time::Duration;

use hangup_cluster::engine::{Claims, EngineError, Hints, Log, Swapped};
use hangup_engines::nats::{NatsOptions, NatsServer};
use hangup_nats::async_nats::jetstream::message::StreamMessage;

use crate::bench::{LONG, SECOND, engine, eventually, known, raw, server, write};

/// The last message of the records.
async fn last(server: &NatsServer) -> StreamMessage {
    let stream = raw(server)
        .await
        .get_stream("hangup-records")
        .await
        .unwrap();
    let sequence = stream.cached_info().state.last_sequence;
    stream.get_raw_message(sequence).await.unwrap()
}

async fn ttl(server: &NatsServer) -> Option<String> {
    let message = last(server).await;
    message.headers.get("Nats-TTL").map(ToString::to_string)
}

#[tokio::test]
async fn a_lease_ends_each_time_that_its_record_is_made() {
    let server = server();
    let nats = engine(&server).await;
    for _ in 0..2 {
        // The first one is long, so that it is there to be renewed, however slow this is.
        let first = write(&nats, "lease", None, Some(LONG)).await;
        assert_eq!(ttl(&server).await.as_deref(), Some("60s"));
        let renewed = write(&nats, "lease", Some(first), SECOND).await;
        assert_eq!(ttl(&server).await.as_deref(), Some("1s"));
        eventually(async || nats.load("lease").await.unwrap().is_none().then_some(())).await;
        let late = nats.swap("lease", Some(renewed), Vec::new(), SECOND).await;
        assert_eq!(late.unwrap(), Swapped::Conflict);
    }
}

#[tokio::test]
async fn a_time_to_live_is_whole_seconds_and_any_that_is_asked_for() {
    let server = server();
    let nats = engine(&server).await;
    let table = [(1, "1s"), (1001, "2s"), (15_000, "15s")];
    for (millis, header) in table {
        let name = format!("for-{millis}");
        write(&nats, &name, None, Some(Duration::from_millis(millis))).await;
        assert_eq!(ttl(&server).await.as_deref(), Some(header));
    }
    write(&nats, "stays", None, None).await;
    assert_eq!(ttl(&server).await, None);
    write(&nats, "long", None, Some(Duration::MAX)).await;
    assert!(nats.load("long").await.unwrap().is_some());
}

#[tokio::test]
async fn revisions_ascend_over_a_kill() {
    let mut server = server();
    let nats = engine(&server).await;
    let first = write(&nats, "a", None, None).await;
    let second = write(&nats, "b", None, None).await;
    assert!(second > first);
    server.kill();
    server.restart();
    // The life is the same, so nothing is adopted.
    let loaded = known(async || nats.load("b").await).await.unwrap();
    assert_eq!(loaded.unwrap().revision, second);
    let third = write(&nats, "a", Some(first), None).await;
    assert!(third > second);
}

#[tokio::test]
async fn what_the_server_does_not_take_is_too_large() {
    let options = NatsOptions {
        max_payload: Some(8192),
        ..NatsOptions::default()
    };
    let server = NatsServer::start(options);
    let nats = engine(&server).await;
    let most = 8192 - 1024;
    let is_too_large = |size, answer: Result<(), EngineError>| match answer {
        Err(EngineError::TooLarge { size: found, limit }) => {
            assert_eq!((found, limit), (size, most));
        }
        answer => panic!("{size} bytes: {answer:?}"),
    };
    let mut headers = 0;
    for size in [most, most + 1, 8192, 20_000] {
        let value = || vec![7; size];
        // The longest names, too.
        let name = format!("{size:0512}");
        let swapped = nats.swap(&name, None, value(), SECOND).await;
        let published = nats.publish("topic", &name, value()).await;
        let sent = nats.send("inbox", value()).await;
        if size == most {
            assert!(matches!(swapped, Ok(Swapped::Done(_))), "{swapped:?}");
            published.unwrap();
            sent.unwrap();
            headers += 1;
        } else {
            is_too_large(size, swapped.map(drop));
            is_too_large(size, published.map(drop));
            is_too_large(size, sent);
        }
    }
    assert_eq!(headers, 1);
    // An id that is larger than what is left for headers.
    let id = "x".repeat(2000);
    is_too_large(
        most,
        nats.publish("topic", &id, vec![7; most]).await.map(drop),
    );
    write(&nats, "after", None, None).await;
}

#[tokio::test]
async fn engines_with_different_prefixes_share_a_server() {
    let server = server();
    let nats = engine(&server).await;
    let other = crate::bench::builder(&server).prefix("other");
    let other = other.connect().await.unwrap();
    other.adopt().await.unwrap();
    write(&nats, "name", None, None).await;
    assert_eq!(other.load("name").await.unwrap(), None);
    write(&other, "name", None, None).await;
}
