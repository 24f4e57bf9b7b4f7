//! Agents: messages and ends that reach streams on whichever node.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::time::timeout;

use super::Settings;
use super::client::{Client, SOON};
use super::node::{Node, engine};

async fn two_nodes() -> [Node; 2] {
    let memory = engine().await;
    [
        Node::start(&memory, "a", None).await,
        Node::start(&memory, "b", None).await,
    ]
}

async fn publish(node: &Node, data: &str) {
    let (status, answer) = node.request("POST", "/agents/7/messages", data).await;
    assert_eq!(status, 200, "{answer}");
}

async fn connect(node: &Node, last_event_id: &str) -> Client {
    let path = "/agents/7/events";
    let headers = match last_event_id {
        "" => "Connection: close\r\n".to_owned(),
        id => format!("Connection: close\r\nLast-Event-ID: {id}\r\n"),
    };
    let mut client = Client::send_with(node.addr, path, &headers).await;
    client.expect("event: connected\n").await;
    client
}

/// The messages that it has got, with their ids.
fn messages(client: &Client) -> Vec<(String, String)> {
    let events = client.received.split("\n\n");
    let fields = |event: &str| {
        let field = |name: &str| {
            let line = event.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::to_owned)
        };
        match field("event: ").as_deref() {
            Some("output") => field("id: ").zip(field("data: ")),
            _ => None,
        }
    };
    events.filter_map(fields).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_moves_from_node_to_node_misses_nothing() {
    let nodes = two_nodes().await;
    let (mut last, mut got) = (String::new(), Vec::new());
    let mut number = 0;
    for round in 0..6_usize {
        // Published while it is away, on both nodes.
        for node in &nodes {
            publish(node, &format!("message-{number}-")).await;
            number += 1;
        }
        let mut client = connect(&nodes[round % 2], &last).await;
        publish(&nodes[(round + 1) % 2], &format!("message-{number}-")).await;
        client.expect(&format!("data: message-{number}-\n\n")).await;
        number += 1;
        for (id, data) in messages(&client) {
            got.push(data);
            last = id;
        }
    }
    let all: Vec<_> = (0..number).map(|it| format!("message-{it}-")).collect();
    assert_eq!(got, all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_streams_of_all_nodes_are_counted() {
    let [a, b] = two_nodes().await;
    assert_eq!(a.request("GET", "/agents/7", "").await.0, 404);
    let streams = [
        connect(&a, "").await,
        connect(&b, "").await,
        connect(&b, "").await,
    ];
    for node in [&a, &b] {
        node.until("/agents/7", |_, it| *it == json!({ "streams": 3 }))
            .await;
    }
    let all = a
        .until("/stats?nodes=all", |_, all| all["sum"]["agents"] == 3)
        .await;
    let mut each: Vec<_> = all["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| {
            (
                node["node"].as_str().unwrap(),
                node["stats"]["live"].as_u64(),
            )
        })
        .collect();
    each.sort_unstable();
    assert_eq!(each, [("a", Some(1)), ("b", Some(2))]);
    drop(streams);
    a.until("/agents/7", |status, _| status == 410).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_ends_the_streams_of_all_nodes_after_what_was_accepted() {
    let [a, b] = two_nodes().await;
    let mut streams = [connect(&a, "").await, connect(&b, "").await];
    b.until("/agents/7", |_, it| *it == json!({ "streams": 2 }))
        .await;
    for number in 0..50 {
        publish(&b, &format!("message {number}")).await;
    }
    let (status, closed) = b.request("DELETE", "/agents/7", "").await;
    assert_eq!((status, closed), (200, json!({ "closed": 2 })));
    for stream in &mut streams {
        stream.expect("event: closed\ndata: app(1)\n").await;
        assert_eq!(messages(stream).len(), 50);
    }
    // What was deleted before is history: a client may come back, and get what it has missed.
    for node in [&a, &b] {
        let mut back = connect(node, &messages(&streams[0])[48].0).await;
        back.expect("data: message 49\n\n").await;
        publish(&a, "for those who are back").await;
        back.expect("data: for those who are back\n\n").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_revokes_does_not_stream_on_another() {
    let memory = engine().await;
    let settings = || Settings {
        agents: Some(BTreeSet::from(["7".to_owned(), "8".to_owned()])),
        ..Settings::default()
    };
    let a = Node::start_with(&memory, "a", None, settings()).await;
    let b = Node::start_with(&memory, "b", None, settings()).await;
    let mut live = connect(&b, "").await;
    // It has been permitted, and hears of it in its set-up.
    let mut slow = b.open("/agents/7/events?setup_ms=10000").await;
    b.until("/stats", |_, stats| stats["registering"] == 1)
        .await;
    assert_eq!(a.request("DELETE", "/agents/7", "").await.0, 200);
    live.expect("event: closed\ndata: app(1)\n").await;
    let refused = timeout(SOON / 4, slow.rest()).await.unwrap();
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    let (status, _) = b.request("GET", "/agents/7/events", "").await;
    assert_eq!(status, 403);
    let mut other = b.open("/agents/8/events").await;
    other.expect("event: connected\n").await;
}
