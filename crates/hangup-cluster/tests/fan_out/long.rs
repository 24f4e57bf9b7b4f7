//! Everything at once, on several threads.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use hangup::topic::{Cursor, Replay, Retention};
use hangup_cluster::engine::Log;
use hangup_cluster::fan_out::Topics;
use hangup_cluster::memory::{Link, Memory};

use crate::support::{builder, key, next};

const EVENTS: u64 = 5_000;
const HOPS: u64 = 150;

fn random(below: u64) -> u64 {
    RandomState::new().hash_one(()) % below
}

/// Reads all events in order, and moves to another node every so often.
async fn client(nodes: Vec<Topics<u64>>, origin: Cursor, hops: u64) {
    let (mut cursor, mut read, mut hopped) = (origin, 0, 0);
    while read < EVENTS {
        let node = &nodes[usize::try_from(hopped).unwrap() % nodes.len()];
        let Ok(mut events) = node.subscribe(&key(), Replay::After(cursor)).await else {
            // The engine is away.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let until = match hopped < hops {
            true => EVENTS.min(read + random(2 * EVENTS / hops)),
            false => EVENTS,
        };
        while read < until {
            let event = next(&mut events).await.unwrap();
            assert_eq!(*event, read);
            read += 1;
            cursor = event.cursor();
        }
        hopped += 1;
    }
    assert!(hopped > hops / 2, "{hopped}");
}

async fn publisher(node: Topics<u64>) {
    for number in 0..EVENTS {
        node.publish(&key(), number.to_string()).await.unwrap();
        if random(50) == 0 {
            tokio::time::sleep(Duration::from_micros(random(2_000))).await;
        }
    }
}

async fn breaker(memory: Memory, links: Vec<Link>) {
    loop {
        tokio::time::sleep(Duration::from_millis(1 + random(20))).await;
        match random(3) {
            0 => memory.restart(),
            _ => {
                let link = &links[usize::try_from(random(3)).unwrap()];
                link.cut();
                tokio::time::sleep(Duration::from_millis(random(10))).await;
                link.heal();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_come_and_go_on_a_node_that_keeps_no_key() {
    let memory = Memory::on_current().unwrap();
    let origin = memory.end(key().as_str()).await.unwrap();
    let node = builder(memory.link())
        .retention(Retention::items(20))
        .linger(Duration::ZERO)
        .build()
        .unwrap();
    let clients = [1_000, 1_000, 300].map(|hops| {
        let nodes = vec![node.clone()];
        tokio::spawn(client(nodes, origin, hops))
    });
    publisher(node.clone()).await;
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_hop_between_three_nodes_while_the_engine_restarts() {
    let memory = Memory::builder()
        .timeout(Duration::from_millis(50))
        .build(tokio::runtime::Handle::current());
    let origin = memory.end(key().as_str()).await.unwrap();
    let links = [memory.link(), memory.link(), memory.link()];
    let nodes: Vec<_> = links
        .iter()
        .zip([4, 64, 1_000])
        .map(|(link, ring)| {
            builder(link.clone())
                .retention(Retention::items(ring))
                .linger(Duration::from_millis(ring as u64 % 10))
                .publish_deadline(Duration::from_secs(60))
                .build()
                .unwrap()
        })
        .collect();
    let mut clients = Vec::new();
    for first in 0..3 {
        let mut nodes = nodes.clone();
        nodes.rotate_left(first);
        clients.push(tokio::spawn(client(nodes, origin, HOPS)));
    }
    // One that stays where it is.
    clients.push(tokio::spawn(client(nodes[..1].to_vec(), origin, 1)));
    let publishing = tokio::spawn(publisher(nodes[0].clone()));
    let breaking = tokio::spawn(breaker(memory.clone(), links.to_vec()));
    publishing.await.unwrap();
    for client in clients {
        client.await.unwrap();
    }
    breaking.abort();
    for link in links {
        link.behave();
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while nodes.iter().any(|node| !node.is_empty()) {
        assert!(tokio::time::Instant::now() < deadline, "a feed stays");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
