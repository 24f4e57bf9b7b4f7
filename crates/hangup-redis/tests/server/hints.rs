//! Hints.

use std::time::Duration;

use futures_util::FutureExt;
use hangup_cluster::engine::{EngineError, HintStream, Hints, Log};
use hangup_engines::redis::{Persistence, RedisServer};
use hangup_redis::{MAX_VALUE, Redis};
use tokio::time::timeout;
use tokio_stream::StreamExt;

use crate::bench::{LONG, builder, engine, eventually, known, raw};
use crate::proxy::Proxy;

async fn next(hints: &mut HintStream) -> Vec<u8> {
    timeout(LONG, hints.next())
        .await
        .expect("in time")
        .expect("it goes on")
}

/// Sends until one arrives.
async fn arrives(redis: &Redis, hints: &mut HintStream, hint: &str) {
    eventually(async || {
        let _ = redis.send("i", hint.into()).await;
        let arrived = timeout(Duration::from_millis(20), hints.next())
            .await
            .ok()?;
        (arrived.expect("it goes on") == hint.as_bytes()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_sent_after_the_answer_arrives_at_all_who_listen() {
    let server = RedisServer::start(Persistence::Default);
    let (a, b) = (engine(&server).await, engine(&server).await);
    for round in 0..50 {
        let inbox = format!("i{round}");
        let mut listeners = [
            a.listen(&inbox).await.unwrap(),
            a.listen(&inbox).await.unwrap(),
            b.listen(&inbox).await.unwrap(),
        ];
        b.send("another", b"0".into()).await.unwrap();
        b.send(&inbox, vec![]).await.unwrap();
        b.send(&inbox, vec![0xff, 0, round]).await.unwrap();
        for hints in &mut listeners {
            assert_eq!(next(hints).await, b"");
            assert_eq!(next(hints).await, [0xff, 0, round]);
        }
    }
}

#[tokio::test]
async fn a_listener_outlives_lost_connections_and_servers() {
    let mut server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let mut hints = redis.listen("i").await.unwrap();
    arrives(&redis, &mut hints, "1").await;
    assert_eq!(raw::<u64>(&server, "CLIENT KILL TYPE pubsub"), 1);
    arrives(&redis, &mut hints, "2").await;
    for n in 3..6 {
        server.kill();
        server.restart();
        arrives(&redis, &mut hints, &n.to_string()).await;
    }
}

#[tokio::test]
async fn a_listener_at_a_server_that_was_stopped_goes_on() {
    let server = RedisServer::start(Persistence::Default);
    let proxy = Proxy::to(&server).await;
    let limit = Duration::from_millis(100);
    let redis = Redis::builder(proxy.url()).timeout(limit);
    let redis = redis.build().unwrap();
    let mut hints = known(async || redis.listen("i").await).await.unwrap();
    server.stop();
    let before = proxy.connections();
    // It finds that the connection is silent, and makes others, in vain.
    eventually(async || (proxy.connections() > before + 1).then_some(())).await;
    assert!(hints.next().now_or_never().is_none());
    server.go_on();
    arrives(&redis, &mut hints, "1").await;
}

/// As when the server of before is cut off, and not ended: nothing closes its connection.
#[tokio::test]
async fn a_listener_goes_where_the_calls_go() {
    let servers = [(); 2].map(|()| RedisServer::start(Persistence::Default));
    let proxy = Proxy::to(&servers[0]).await;
    let redis = Redis::connect(proxy.url()).await.unwrap();
    let mut hints = redis.listen("i").await.unwrap();
    arrives(&redis, &mut hints, "1").await;
    proxy.lead_to(&servers[1]);
    raw::<()>(&servers[0], "CLIENT KILL TYPE normal");
    arrives(&redis, &mut hints, "2").await;
    let listening = |server| raw::<String>(server, "CLIENT LIST TYPE pubsub");
    assert!(listening(&servers[1]).contains("sub=1"));
}

#[tokio::test]
async fn who_does_not_listen_any_more_costs_nothing() {
    let server = RedisServer::start(Persistence::Default);
    // So often it looks whether there are listeners.
    let limit = Duration::from_secs(1);
    let redis = builder(&server).timeout(limit).connect().await.unwrap();
    let listening = |inbox: &str| {
        let (_, count): (String, u64) =
            raw(&server, &format!("PUBSUB NUMSUB {{hangup}}:h:{inbox}"));
        count
    };
    let (one, two) = (
        redis.listen("a").await.unwrap(),
        redis.listen("a").await.unwrap(),
    );
    let mut other = redis.listen("b").await.unwrap();
    drop(one);
    redis.send("a", b"1".into()).await.unwrap();
    assert_eq!((listening("a"), listening("b")), (1, 1));
    drop(two);
    eventually(async || (listening("a") == 0).then_some(())).await;
    arrives_at(&redis, "b", &mut other).await;
    drop(other);
    let idle = async || {
        raw::<String>(&server, "CLIENT LIST TYPE pubsub")
            .is_empty()
            .then_some(())
    };
    eventually(idle).await;
    // And it listens again.
    let mut again = redis.listen("a").await.unwrap();
    arrives_at(&redis, "a", &mut again).await;
    // The engine may go before the listener.
    drop(redis);
    let other = engine(&server).await;
    arrives_at(&other, "a", &mut again).await;
}

async fn arrives_at(redis: &Redis, inbox: &str, hints: &mut HintStream) {
    redis.send(inbox, b"1".into()).await.unwrap();
    assert_eq!(next(hints).await, b"1");
}

#[tokio::test]
async fn a_listener_that_is_slow_loses_hints_and_holds_up_no_other() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let mut slow = redis.listen("slow").await.unwrap();
    let mut quick = redis.listen("quick").await.unwrap();
    for n in 0..1100_u32 {
        redis.send("slow", n.to_be_bytes().into()).await.unwrap();
    }
    redis.send("quick", b"1".into()).await.unwrap();
    assert_eq!(next(&mut quick).await, b"1");
    for n in 0..1024_u32 {
        assert_eq!(next(&mut slow).await, n.to_be_bytes());
    }
    // Or else it is the budget of the task that is empty.
    tokio::task::yield_now().await;
    assert!(slow.next().now_or_never().is_none());
    arrives_at(&redis, "slow", &mut slow).await;
}

#[tokio::test]
async fn a_thousand_inboxes_and_topics_take_two_connections() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let (mut hints, mut logs) = (Vec::new(), Vec::new());
    for n in 0..500 {
        let name = format!("n{n}");
        hints.push(redis.listen(&name).await.unwrap());
        let end = redis.end(&name).await.unwrap();
        logs.push(redis.read(&name, end).await.unwrap());
    }
    let clients: String = raw(&server, "CLIENT LIST");
    // One of them is the client that asks.
    assert_eq!(clients.lines().count(), 3, "{clients}");
    for n in 0..500 {
        let name = format!("n{n}");
        redis.send(&name, name.clone().into()).await.unwrap();
        redis
            .publish(&name, "1", name.clone().into())
            .await
            .unwrap();
        assert_eq!(next(&mut hints[n]).await, name.as_bytes());
        timeout(LONG, logs[n].next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn hints_that_are_too_large_are_refused() {
    let server = RedisServer::start(Persistence::Default);
    let redis = engine(&server).await;
    let refused = redis.send("i", vec![0; MAX_VALUE + 1]).await;
    assert!(matches!(refused, Err(EngineError::TooLarge { .. })));
    let refused = redis.listen(&"x".repeat(513)).await.map(|_| ());
    assert!(matches!(refused, Err(EngineError::TooLarge { .. })));
}
