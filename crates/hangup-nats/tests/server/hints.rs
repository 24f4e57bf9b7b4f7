//! Hints over lost connections.

use std::time::Duration;

use futures_util::StreamExt;
use hangup_cluster::engine::Hints;
use hangup_engines::nats::{NatsOptions, NatsServer};
use hangup_nats::Nats;
use tokio::time::timeout;

use crate::bench::{LONG, builder, engine, eventually, known, server};

#[tokio::test]
async fn a_listener_outlives_the_server() {
    let mut server = server();
    let (a, b) = (engine(&server).await, engine(&server).await);
    let mut hints = b.listen("inbox").await.unwrap();
    server.kill();
    server.restart();
    let heard = eventually(async || {
        known(async || a.send("inbox", b"hint".to_vec()).await)
            .await
            .unwrap();
        timeout(Duration::from_millis(100), hints.next()).await.ok()
    });
    assert_eq!(heard.await.as_deref(), Some(&b"hint"[..]));
}

/// Each is sent once, when `listen` has answered.
async fn hears_at_once(listens: &Nats, sends: &Nats) {
    for round in 0..100 {
        let inbox = format!("inbox-{round}");
        let mut listener = listens.listen(&inbox).await.unwrap();
        sends.send(&inbox, b"hint".to_vec()).await.unwrap();
        let heard = timeout(LONG, listener.next()).await;
        assert_eq!(heard.expect("a hint").unwrap(), b"hint", "in round {round}");
    }
}

#[tokio::test]
async fn a_listener_that_has_answered_hears() {
    let server = server();
    let (a, b) = (engine(&server).await, engine(&server).await);
    hears_at_once(&a, &b).await;
}

/// Servers tell each other in the background who listens.
#[tokio::test]
async fn a_listener_at_another_server_hears() {
    let servers = NatsServer::start_three(NatsOptions::default());
    let a = builder(&servers[0]).connect().await.unwrap();
    let b = builder(&servers[1]).connect().await.unwrap();
    hears_at_once(&a, &b).await;
    // Nothing listens here.
    b.send("empty", b"hint".to_vec()).await.unwrap();
}

#[tokio::test]
async fn what_listeners_send_to_be_sure_is_no_hint() {
    let server = server();
    let nats = engine(&server).await;
    let mut first = nats.listen("inbox").await.unwrap();
    let second = nats.listen("inbox").await.unwrap();
    nats.send("inbox", b"hint".to_vec()).await.unwrap();
    assert_eq!(first.next().await.as_deref(), Some(&b"hint"[..]));
    drop(second);
}

#[tokio::test]
async fn inboxes_of_another_prefix_are_others() {
    let server = server();
    let nats = engine(&server).await;
    let other = builder(&server).prefix("other").connect().await.unwrap();
    let mut hints = nats.listen("inbox").await.unwrap();
    // Both are at the server before the last, which is sent behind them.
    let mut others = other.listen("inbox").await.unwrap();
    other.send("inbox", b"other".to_vec()).await.unwrap();
    assert_eq!(others.next().await.as_deref(), Some(&b"other"[..]));
    nats.send("inbox", b"ours".to_vec()).await.unwrap();
    assert_eq!(hints.next().await.as_deref(), Some(&b"ours"[..]));
}
