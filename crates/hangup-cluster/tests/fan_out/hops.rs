//! Clients that move from node to node.

use hangup::topic::Replay;
use hangup_cluster::engine::Log;
use hangup_cluster::memory::Memory;

use crate::support::{expect, expect_nothing, key, node, publish, settle, subscribe};

/// What the node is like to which a client moves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Other {
    /// It has no feed of this key.
    Unused,
    /// It has one that has read all.
    Fed,
    /// It has one that does not hear of the engine at first.
    Behind,
}

/// The client reads `k` of the events on one node, and the others on another, while they are
/// published.
async fn hop(other: Other, ring: usize, k: u64) {
    const EVENTS: u64 = 40;
    let memory = Memory::on_current().unwrap();
    let ((_, a), (b_link, b)) = (node(&memory, ring), node(&memory, ring));
    let origin = memory.end(key().as_str()).await.unwrap();
    let kept = match other {
        Other::Unused => None,
        Other::Fed | Other::Behind => Some(subscribe(&b, Replay::Now).await),
    };
    settle().await;
    if other == Other::Behind {
        b_link.cut();
    }
    let publisher = a.clone();
    let publishing = tokio::spawn(async move {
        for number in 0..EVENTS {
            publish(&publisher, [number]).await;
            // The client is in the middle of it at some hops, and behind it at others.
            if number % 3 == 0 {
                tokio::task::yield_now().await;
            }
        }
    });
    let mut events = subscribe(&a, Replay::After(origin)).await;
    let cursor = expect(&mut events, 0..k).await;
    drop(events);
    let mut events = subscribe(&b, Replay::After(cursor)).await;
    if other == Other::Behind {
        if k > 0 {
            expect_nothing(&mut events).await;
        }
        b_link.heal();
    }
    expect(&mut events, k..EVENTS).await;
    publishing.await.unwrap();
    expect_nothing(&mut events).await;
    if let Some(mut kept) = kept {
        expect(&mut kept, 0..EVENTS).await;
        expect_nothing(&mut kept).await;
    }
}

#[tokio::test(start_paused = true)]
async fn r38_hop_between_nodes_at_every_point_of_a_backlog() {
    for other in [Other::Unused, Other::Fed, Other::Behind] {
        for ring in [1, 7, 100] {
            for k in 0..=40 {
                eprintln!("{other:?}, a ring of {ring}, {k} events");
                hop(other, ring, k).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_replayed_from_every_point_by_every_node() {
    const EVENTS: u64 = 60;
    let memory = Memory::on_current().unwrap();
    for ring in [1, 16, 100] {
        let name = hangup_cluster::fan_out::TopicName::new(format!("ring-{ring}")).unwrap();
        let nodes = [node(&memory, ring).1, node(&memory, ring).1];
        let mut cursors = vec![memory.end(name.as_str()).await.unwrap()];
        let mut kept = nodes[0].subscribe(&name, Replay::Now).await.unwrap();
        for number in 0..EVENTS {
            let published = nodes[1].publish(&name, number.to_string()).await;
            cursors.push(published.unwrap());
        }
        expect(&mut kept, 0..EVENTS).await;
        for topics in &nodes {
            for (from, cursor) in (0..).zip(&cursors) {
                let replay = Replay::After(*cursor);
                let mut events = topics.subscribe(&name, replay).await.unwrap();
                expect(&mut events, from..EVENTS).await;
                expect_nothing(&mut events).await;
            }
            let mut events = topics.subscribe(&name, Replay::All).await.unwrap();
            expect(&mut events, 0..EVENTS).await;
            expect_nothing(&mut events).await;
        }
    }
}
