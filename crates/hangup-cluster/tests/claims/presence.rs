//! Who is live under a key, on which node.

use std::time::Duration;

use hangup::{CloseReason, Handle};
use hangup_cluster::{Cluster, LiveExt};

use crate::setting::{LEASE, Setting, end};

impl Setting {
    /// A connection on this node that is counted.
    fn present(&self, node: usize) -> Handle {
        let node = self.nodes[node].clone();
        let pending = node.scope.open().unwrap();
        let handle = pending.handle();
        self.world.process(1).spawn(async move {
            let key = node.cluster.key("agent", "ada").unwrap();
            let mut live = pending.register().unwrap().go_live().unwrap();
            if live.present(&key).await.is_ok() {
                live.handle().closed().await;
            }
        });
        handle
    }

    fn count(&self, node: usize) -> u64 {
        let cluster = self.nodes[node].cluster.clone();
        let key = cluster.key("agent", "ada").unwrap();
        self.block_on(async move { cluster.count(&key).await.unwrap() })
    }
}

#[test]
fn the_connections_of_all_nodes_are_counted_while_they_are_live() {
    let setting = Setting::new(3);
    assert_eq!(setting.count(0), 0);
    let mut handles = Vec::new();
    for node in [0, 0, 1, 2, 2, 2] {
        handles.push(setting.present(node));
    }
    setting.pass(Duration::from_millis(1));
    for node in 0..3 {
        assert_eq!(setting.count(node), 6);
    }
    for (gone, handle) in (1..).zip(handles) {
        end(&handle, CloseReason::Dropped);
        setting.pass(Duration::from_millis(1));
        assert_eq!(setting.count(0), 6 - gone);
    }
}

#[test]
fn many_that_come_and_go_are_few_writes() {
    let setting = Setting::new(1);
    let before = setting.nodes[0].link.calls();
    let handles: Vec<_> = (0..1000).map(|_| setting.present(0)).collect();
    setting.pass(Duration::from_millis(1));
    assert_eq!(setting.count(0), 1000);
    for handle in handles {
        end(&handle, CloseReason::Dropped);
    }
    setting.pass(Duration::from_millis(1));
    assert_eq!(setting.count(0), 0);
    let calls = setting.nodes[0].link.calls() - before;
    assert!(calls < 20, "{calls}");
}

#[test]
fn those_of_a_node_that_died_are_counted_no_longer_than_its_lease() {
    let setting = Setting::new(2);
    let handles = [setting.present(0), setting.present(1)];
    setting.pass(Duration::from_millis(1));
    setting.nodes[0].link.cut();
    assert_eq!(setting.count(1), 2);
    setting.pass(LEASE + Duration::from_millis(1));
    assert_eq!(setting.count(1), 1);
    // They are connected all the same, and counted when their node is back.
    setting.nodes[0].link.heal();
    setting.pass(LEASE);
    assert_eq!(setting.count(1), 2);
    drop(handles);
}

#[test]
fn a_node_whose_session_was_lost_is_counted_under_its_next_one() {
    let setting = Setting::new(2);
    let handle = setting.present(0);
    setting.pass(Duration::from_millis(1));
    setting.memory.forget();
    setting.pass(LEASE * 2);
    assert_eq!(setting.count(1), 1);
    end(&handle, CloseReason::Dropped);
    setting.pass(Duration::from_millis(1));
    assert_eq!(setting.count(1), 0);
}

#[test]
fn a_note_that_panics_is_empty_and_costs_no_lease() {
    let setting = Setting::new(1);
    let builder = Cluster::builder(setting.memory.link())
        .node("loud")
        .lease(LEASE)
        .runtime(setting.world.process(9))
        .note(|| panic!("no note"));
    let cluster = setting.block_on(builder.build()).unwrap();
    setting.pass(LEASE * 3);
    assert!(cluster.has_lease());
    let nodes = cluster.clone();
    let nodes = setting.block_on(async move { nodes.nodes().await.unwrap() });
    let loud = nodes.iter().find(|node| node.name == "loud").unwrap();
    assert_eq!(loud.note, "");
}
