//! Fan-out over three nodes, while the server is killed.

use std::sync::Arc;
use std::time::Duration;

use hangup::topic::{Cursor, Replay, Retention};
use hangup_cluster::engine::{Claims, Log};
use hangup_cluster::fan_out::{TopicName, Topics};
use hangup_engines::redis::{Persistence, RedisServer};
use hangup_redis::Redis;
use tokio_stream::StreamExt;

const EVENTS: u64 = 5_000;

async fn redis(server: &RedisServer) -> Redis {
    let redis = Redis::builder(server.url())
        .timeout(Duration::from_secs(2))
        .connect()
        .await
        .unwrap();
    redis.adopt().await.unwrap();
    redis
}

fn node(redis: Redis, ring: usize) -> Topics<u64> {
    let decode = |_: Cursor, bytes: &[u8]| std::str::from_utf8(bytes).unwrap().parse().unwrap();
    Topics::builder(Arc::new(redis), decode)
        .retention(Retention::items(ring))
        .linger(Duration::from_millis(20))
        .publish_deadline(Duration::from_secs(60))
        .build()
        .unwrap()
}

/// Reads all events in order, and moves to another node after each few of them.
async fn client(nodes: Vec<Topics<u64>>, name: TopicName, origin: Cursor, each: u64) -> u64 {
    let (mut cursor, mut read, mut hops) = (origin, 0, 0);
    while read < EVENTS {
        let node = &nodes[usize::try_from(hops).unwrap() % nodes.len()];
        let Ok(mut events) = node.subscribe(&name, Replay::After(cursor)).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        for _ in 0..each.min(EVENTS - read) {
            let next = tokio::time::timeout(Duration::from_secs(60), events.next()).await;
            let event = next.unwrap().unwrap().unwrap();
            assert_eq!(*event, read);
            (read, cursor) = (read + 1, event.cursor());
        }
        hops += 1;
    }
    hops
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_hop_between_three_nodes_while_the_server_is_killed() {
    let mut server = RedisServer::start(Persistence::Always);
    let name: TopicName = "events".parse().unwrap();
    let log = redis(&server).await;
    let origin = log.end(name.as_str()).await.unwrap();
    let mut nodes = Vec::new();
    for ring in [4, 64, 1_000] {
        nodes.push(node(redis(&server).await, ring));
    }
    let clients: Vec<_> = [33, 7, 500, EVENTS]
        .map(|each| tokio::spawn(client(nodes.clone(), name.clone(), origin, each)))
        .into();
    let publisher = nodes[0].clone();
    let topic = name.clone();
    let publishing = tokio::spawn(async move {
        for number in 0..EVENTS {
            publisher.publish(&topic, number.to_string()).await.unwrap();
        }
    });
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.restart();
    }
    publishing.await.unwrap();
    for client in clients {
        eprintln!("{} hops", client.await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgets_is_told_as_a_gap_by_all_nodes() {
    let mut server = RedisServer::start(Persistence::Default);
    let name: TopicName = "events".parse().unwrap();
    let engines = [redis(&server).await, redis(&server).await];
    let nodes = engines.clone().map(|redis| node(redis, 10));
    let mut live = nodes[0].subscribe(&name, Replay::Now).await.unwrap();
    for number in 0..5 {
        nodes[0].publish(&name, number.to_string()).await.unwrap();
    }
    for number in 0..5 {
        assert_eq!(*live.next().await.unwrap().unwrap(), number);
    }
    let asked = live.cursor();
    server.kill();
    server.restart();
    for engine in &engines {
        while engine.adopt().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    for number in 10..15 {
        nodes[1].publish(&name, number.to_string()).await.unwrap();
    }
    let mut other = nodes[1]
        .subscribe(&name, Replay::After(asked))
        .await
        .unwrap();
    for events in [&mut live, &mut other] {
        let gap = events.next().await.unwrap().unwrap_err();
        assert_eq!(gap.asked, asked);
        for number in 10..15 {
            assert_eq!(*events.next().await.unwrap().unwrap(), number);
        }
    }
}
