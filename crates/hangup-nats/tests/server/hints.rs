//! Hints over lost connections.

use std::time::Duration;

use futures_util::StreamExt;
use hangup_cluster::engine::Hints;
use tokio::time::timeout;

use crate::bench::{builder, engine, eventually, known, server};

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
