//! Workers: one connection per name, on whichever node.

use std::time::Duration;

use hangup_cluster::memory::Fate;
use tokio::time::timeout;

use super::Settings;
use super::client::{Client, SOON};
use super::node::{Node, engine};
use super::resource::{Act, Resource};

/// Two nodes and what they share.
async fn two_nodes() -> (Resource, Node, Node) {
    let (memory, resource) = (engine().await, Resource::start().await);
    let a = Node::start(&memory, "a", Some(&resource)).await;
    let b = Node::start(&memory, "b", Some(&resource)).await;
    (resource, a, b)
}

async fn live(node: &Node, query: &str) -> Client {
    let mut client = node
        .open(&format!("/worker/stream?name=ada%20%26%20co{query}"))
        .await;
    client.expect("event: connected\n").await;
    client
}

async fn ends(client: &mut Client, why: &str) {
    let rest = timeout(SOON, client.rest()).await.unwrap();
    // Where it was taken over may follow.
    let closed = format!("event: closed\ndata: {why}");
    assert!(rest.contains(&closed), "no `{why}`: {rest}");
}

/// Who entered, in this order, and what they were told of those before.
fn entries(resource: &Resource) -> Vec<(String, String)> {
    let entry = |act| match act {
        Act::Enter {
            node, predecessor, ..
        } => Some((node, predecessor)),
        _ => None,
    };
    resource.moves().into_iter().filter_map(entry).collect()
}

/// Nothing came late, and each undo was over before the next set-up.
fn assert_one_after_another(resource: &Resource) {
    let moves = resource.moves();
    for (at, act) in moves.iter().enumerate() {
        let Act::Enter { epoch, .. } = act else {
            continue;
        };
        if let Some(before) = at.checked_sub(1) {
            assert!(
                matches!(&moves[before], Act::Left { epoch: left } if left < epoch),
                "{moves:#?}"
            );
        }
    }
    let is_fenced = |act: &Act| matches!(act, Act::Fenced { .. });
    assert!(!resource.acts().iter().any(is_fenced), "{moves:#?}");
}

fn told(node: &str, predecessor: &str) -> (String, String) {
    (node.to_owned(), predecessor.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_moves_and_its_undo_is_over_before_the_next_set_up() {
    let (resource, a, b) = two_nodes().await;
    let mut clients = Vec::new();
    for node in [&a, &b, &b, &a] {
        let client = live(node, "&undo_ms=50&work_ms=1").await;
        if let Some(mut old) = clients.pop() {
            ends(&mut old, "superseded").await;
        }
        clients.push(client);
    }
    let settled = ["a", "b", "b", "a"].map(|node| told(node, "settled"));
    assert_eq!(entries(&resource), settled);
    assert_one_after_another(&resource);
    drop(clients);
    for node in [&a, &b] {
        node.until("/stats", |_, stats| {
            stats["live"] == 0 && stats["settling"] == 0 && stats["claims"] == 0
        })
        .await;
    }
    // The last undo, too.
    assert!(matches!(resource.moves().last(), Some(Act::Left { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_old_client_has_gone_in_mid_set_up_is_not_waited_for() {
    let (resource, a, b) = two_nodes().await;
    let slow = a
        .open("/worker/stream?name=ada%20%26%20co&setup_ms=10000")
        .await;
    a.until("/stats", |_, stats| stats["claims"] == 1).await;
    slow.reset();
    let _new = live(&b, "").await;
    assert_eq!(entries(&resource), [told("b", "settled")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_takes_over_what_a_drain_ends() {
    let (resource, mut a, b) = two_nodes().await;
    let mut old = live(&a, "&undo_ms=300").await;
    // So that it has not left before it says so.
    a.link.fates(|_| Fate::Delay(Duration::from_millis(50)));
    a.interrupt();
    old.expect("event: closed\ndata: shutdown\n").await;
    let _new = live(&b, "").await;
    assert_eq!(
        entries(&resource),
        [told("a", "settled"), told("b", "settled")]
    );
    assert_one_after_another(&resource);
    a.served().await;
    // It has told the others before it was gone.
    let (_, all) = b.request("GET", "/stats?nodes=all", "").await;
    let nodes = all["nodes"].as_array().unwrap();
    assert!(nodes.len() == 1 && nodes[0]["node"] == "b", "{all:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_of_a_node_that_is_cut_off_ends_and_another_node_takes_it() {
    let (resource, a, b) = two_nodes().await;
    let mut old = live(&a, "&work_ms=5").await;
    old.expect("event: job\n").await;
    a.link.cut();
    let _new = live(&b, "").await;
    assert_eq!(
        entries(&resource),
        [told("a", "settled"), told("b", "unsettled")]
    );
    ends(&mut old, "lost").await;
    // It has ended, and was undone, before: the resource heard nothing of it afterwards.
    assert_one_after_another(&resource);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_held_is_silent_and_ends_if_another_has_come() {
    let (resource, a, b) = two_nodes().await;
    let mut old = live(&a, "&work_ms=5&hold_ms=60000").await;
    old.expect("event: job\n").await;
    a.link.cut();
    let _new = live(&b, "").await;
    assert_eq!(
        entries(&resource),
        [told("a", "settled"), told("b", "unsettled")]
    );
    let (status, _) = a.request("GET", "/healthz", "").await;
    assert_eq!(status, 503);
    a.link.heal();
    ends(&mut old, "lost").await;
    a.until("/stats", |_, stats| stats["settling"] == 0).await;
    // Its undo alone comes late, and is refused.
    let acts = resource.acts();
    let entered = acts
        .iter()
        .rposition(|act| matches!(act, Act::Enter { .. }));
    let after = &acts[entered.unwrap() + 1..];
    assert!(matches!(after, [Act::Fenced { .. }]), "{after:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_held_goes_on_if_none_has_come() {
    let (resource, a, _b) = two_nodes().await;
    let mut held = live(&a, "&work_ms=5&hold_ms=60000").await;
    held.expect("event: job\n").await;
    a.link.cut();
    let health = a.until("/healthz", |status, _| status == 503).await;
    assert_eq!(health["has_lease"], false);
    // Nor is the old one closed for it.
    let refused = a
        .answer("GET", "/worker/stream?name=ada%20%26%20co", "")
        .await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("\r\nretry-after: 2\r\n"), "{refused}");
    let silent = resource.acts().len();
    a.link.heal();
    a.until("/healthz", |status, _| status == 200).await;
    // One may have been on its way.
    let goes_on = async {
        while resource.acts().len() <= silent + 1 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, goes_on).await.unwrap();
    assert_eq!(entries(&resource), [told("a", "settled")]);
    assert_one_after_another(&resource);
    let (_, stats) = a.request("GET", "/stats", "").await;
    assert_eq!((&stats["live"], &stats["workers"]), (&1.into(), &1.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_does_not_settle_in_time_is_told_as_unavailable() {
    let (memory, resource) = (engine().await, Resource::start().await);
    let undone_within = |undo| Settings {
        undo,
        ..Settings::default()
    };
    let long = undone_within(Duration::from_secs(60));
    let a = Node::start_with(&memory, "a", Some(&resource), long).await;
    // It waits as long as the lease, and this.
    let short = undone_within(Duration::from_millis(1));
    let b = Node::start_with(&memory, "b", Some(&resource), short).await;
    let mut old = live(&a, "&undo_ms=60000").await;
    let refused = b
        .answer("GET", "/worker/stream?name=ada%20%26%20co", "")
        .await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("\r\nretry-after: 1\r\n"), "{refused}");
    ends(&mut old, "superseded").await;
    assert_eq!(entries(&resource), [told("a", "settled")]);
}
