//! Servers that are away, silent, too old, or let not all in.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use hangup::topic::Cursor;
use hangup_cluster::engine::{Claims, Hints, Log, LogEvent, Swapped};
use hangup_engines::nats::{NatsOptions, NatsServer};
use hangup_nats::Nats;
use hangup_nats::async_nats::ConnectOptions;

use crate::bench::{LONG, builder, eventually, known, next, server, unknown};

const SHORT: Duration = Duration::from_millis(300);
/// A call that is given up after a part of it has taken too long.
const PATIENT: Duration = LONG.saturating_mul(4);

/// An engine that gives its calls up after so short a time that also one to a server that answers
/// may be given up, on a busy machine.
async fn hasty(server: &NatsServer) -> Nats {
    let connect = async || builder(server).timeout(SHORT).connect().await;
    let nats = known(connect).await.unwrap();
    known(async || nats.adopt().await).await.unwrap();
    nats
}

#[tokio::test]
async fn a_silent_server_is_unknown_in_time() {
    let server = server();
    let nats = hasty(&server).await;
    let end = known(async || nats.end("topic").await).await.unwrap();
    server.stop();
    // A signal takes its time on a busy machine.
    eventually(async || nats.load("name").await.err()).await;
    for _ in 0..2 {
        let begun = Instant::now();
        unknown(nats.load("name").await);
        unknown(nats.swap("name", None, Vec::new(), None).await);
        unknown(nats.adopt().await);
        unknown(nats.publish("topic", "id", Vec::new()).await);
        unknown(nats.end("topic").await);
        unknown(nats.start("topic").await);
        unknown(nats.read("topic", end).await.map(drop));
        unknown(nats.listen("inbox").await.map(drop));
        let took = begun.elapsed();
        assert!(took >= SHORT * 8 && took < LONG, "{took:?}");
    }
    unknown(builder(&server).timeout(SHORT).connect().await);
    server.go_on();
    known(async || nats.load("name").await).await.unwrap();
}

#[tokio::test]
async fn a_call_that_found_no_connection_takes_no_effect_later() {
    let mut server = server();
    let nats = hasty(&server).await;
    server.kill();
    // This one may be written before the client knows.
    unknown(nats.swap("first", None, Vec::new(), None).await);
    unknown(nats.swap("late", None, Vec::new(), None).await);
    unknown(nats.publish("topic", "late", Vec::new()).await);
    server.restart();
    known(async || nats.load("first").await).await.unwrap();
    // Behind all that the client may have held back.
    known(async || nats.swap("after", None, Vec::new(), None).await)
        .await
        .unwrap();
    assert_eq!(known(async || nats.load("late").await).await.unwrap(), None);
    let start = known(async || nats.start("topic").await).await;
    let end = known(async || nats.end("topic").await).await;
    assert_eq!(start.unwrap(), end.unwrap());
}

#[tokio::test]
async fn without_a_server_there_is_no_engine() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let begun = Instant::now();
    for url in [&port.to_string(), "nats://[", ""] {
        unknown(Nats::builder(url).timeout(PATIENT).connect().await);
    }
    assert!(begun.elapsed() < LONG);
}

#[tokio::test]
async fn a_prefix_is_part_of_a_name() {
    let server = server();
    for prefix in ["", "a.b", "*", "a b", "é"] {
        let nats = builder(&server).prefix(prefix).connect().await;
        assert!(unknown(nats).contains("prefix"), "{prefix:?}");
    }
    let long = "x".repeat(200);
    assert!(unknown(builder(&server).prefix(long).connect().await).contains("prefix"));
}

/// Says that it is this, and answers pings.
fn pretend(info: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(info.as_bytes()).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            if line.starts_with("PING") && stream.write_all(b"PONG\r\n").is_err() {
                break;
            }
        }
    });
    format!("nats://{addr}")
}

#[tokio::test]
async fn a_server_that_is_too_old_is_told() {
    let old = pretend(
        "INFO {\"server_id\":\"old\",\"version\":\"2.10.29\",\"proto\":1,\"headers\":true,\"max_payload\":1048576,\"jetstream\":true}\r\n",
    );
    let words = unknown(Nats::connect(old).await);
    assert!(
        words.contains("2.10.29") && words.contains("2.11"),
        "{words}"
    );
}

#[tokio::test]
async fn what_listens_and_says_nothing_is_unknown_in_time() {
    let silent = pretend("");
    let begun = Instant::now();
    unknown(Nats::builder(silent).timeout(SHORT).connect().await);
    assert!(begun.elapsed() < LONG);
}

#[tokio::test]
async fn only_who_has_the_password_is_let_in() {
    let options = NatsOptions {
        password: Some("secret"),
        ..NatsOptions::default()
    };
    let server = NatsServer::start(options);
    let right = ConnectOptions::with_user_and_password("hangup".to_owned(), "secret".to_owned());
    let nats = builder(&server).options(right).connect().await.unwrap();
    nats.adopt().await.unwrap();
    assert!(matches!(
        nats.swap("name", None, Vec::new(), None).await,
        Ok(Swapped::Done(_))
    ));
    let mut hints = nats.listen("inbox").await.unwrap();
    nats.send("inbox", b"hint".to_vec()).await.unwrap();
    assert_eq!(hints.next().await.as_deref(), Some(&b"hint"[..]));
    // All that it does is allowed.
    let start = nats.start("topic").await.unwrap();
    let published = nats.publish("topic", "id", b"item".to_vec()).await.unwrap();
    let mut read = nats.read("topic", start).await.unwrap();
    assert_eq!(
        next(&mut read).await.unwrap(),
        LogEvent::Item(published, b"item".to_vec())
    );
    assert!(nats.load("name").await.unwrap().is_some());
    let in_url = format!("nats://hangup:secret@{}", server.addr());
    assert!(unknown(Nats::connect(in_url).await).contains("options"));
    let begun = Instant::now();
    let wrong = ConnectOptions::with_user_and_password("hangup".to_owned(), "wrong".to_owned());
    for options in [wrong, ConnectOptions::new()] {
        let refused = builder(&server).timeout(PATIENT).options(options);
        unknown(refused.connect().await);
    }
    assert!(begun.elapsed() < LONG);
}

#[tokio::test]
async fn names_that_no_subject_has_are_told_before_anything_is_sent() {
    let server = server();
    let nats = builder(&server).connect().await.unwrap();
    nats.adopt().await.unwrap();
    let at = Cursor::new(0, 0);
    for name in ["", "a..b", "*", ">", "a b"] {
        unknown(nats.load(name).await);
        unknown(nats.swap(name, None, Vec::new(), None).await);
        unknown(nats.publish(name, "id", Vec::new()).await);
        unknown(nats.read(name, at).await.map(drop));
        unknown(nats.end(name).await);
        unknown(nats.start(name).await);
        unknown(nats.send(name, Vec::new()).await);
        unknown(nats.listen(name).await.map(drop));
    }
}
