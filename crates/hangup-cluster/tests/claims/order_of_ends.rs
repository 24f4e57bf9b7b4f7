//! Ends of owners and nodes, at every point of a take-over.

use std::time::Duration;

use hangup::CloseReason;
use hangup_cluster::Predecessor;
use hangup_cluster::memory::{Fate, Method};

use crate::explore::every;
use crate::setting::{LEASE, Setting, end};

#[test]
fn r35_a_release_meets_the_record_of_its_successor_in_every_order() {
    let runs = every(|choices| {
        let setting = Setting::new(2);
        let old = setting.connect(0);
        setting.pass(Duration::from_millis(1));
        setting.queue.hold(true);
        let new = setting.connect(1);
        let leaving = old.handle.clone();
        let leave = move || end(&leaving, CloseReason::Dropped);
        setting.run_in_order(choices, LEASE / 4, vec![Box::new(leave)]);
        setting.resource.assert_sound();
        assert!(new.handle.state().is_live());
        assert_eq!(new.outcome.claim().predecessor(), Predecessor::Settled);
        let third = setting.connect(0);
        setting.queue.hold(false);
        setting.pass(LEASE / 4);
        assert!(third.handle.state().is_live());
        setting.assert_nothing_is_left(&[old, new, third]);
    });
    println!("{runs} orders");
    assert!(runs > 5);
}

#[test]
fn r40_a_node_drains_and_leaves_at_any_point_of_a_take_over() {
    let runs = every(|choices| {
        let setting = Setting::new(2);
        let old = setting.connect(0);
        setting.pass(Duration::from_millis(1));
        setting.queue.hold(true);
        let new = setting.connect(1);
        let (cluster, scope) = (
            setting.nodes[0].cluster.clone(),
            setting.nodes[0].scope.clone(),
        );
        let world = setting.world.process(1);
        let leave = move || {
            world.spawn(async move {
                drop(scope.drain(Duration::from_millis(300)).await);
                cluster.leave().await;
            });
        };
        setting.run_in_order(choices, LEASE / 2, vec![Box::new(leave)]);
        setting.resource.assert_sound();
        assert!(old.handle.try_settled().is_some());
        assert!(new.handle.state().is_live());
        assert_eq!(new.outcome.claim().predecessor(), Predecessor::Settled);
        setting.queue.hold(false);
        assert!(!setting.nodes[0].cluster.has_lease());
    });
    println!("{runs} orders");
    assert!(runs > 10);
}

#[test]
fn r36_a_session_that_a_stale_read_takes_for_dead_is_not_buried() {
    let setting = Setting::young(2);
    let old = setting.connect(0);
    setting.pass(Duration::from_millis(1));
    // Before the present version of the session's record there was none.
    setting.nodes[1].link.fates(|call| match call.method {
        Method::Load if call.name.starts_with("s.") => Fate::Stale,
        _ => Fate::Answer,
    });
    let new = setting.connect(1);
    setting.pass(Duration::from_millis(200));
    assert!(new.outcome.get().is_none(), "it has buried what lives");
    assert!(old.handle.state().is_live());
    setting.nodes[1].link.behave();
    setting.pass(Duration::from_millis(500));
    assert_eq!(new.outcome.claim().predecessor(), Predecessor::Settled);
    setting.assert_nothing_is_left(&[old, new]);
}

#[test]
fn a_node_that_leaves_before_its_connections_ended_ends_them() {
    let setting = Setting::new(2);
    let old = setting.connect(0);
    setting.pass(Duration::from_millis(1));
    let cluster = setting.nodes[0].cluster.clone();
    setting.block_on(async move { cluster.leave().await });
    assert_eq!(
        old.handle.state().closed().unwrap().reason,
        CloseReason::Shutdown
    );
    let new = setting.connect(1);
    setting.pass(Duration::from_millis(100));
    assert_eq!(new.outcome.claim().predecessor(), Predecessor::Settled);
    assert_eq!(setting.resource.late_undos(), 0);
    end(&new.handle, CloseReason::Dropped);
}

#[test]
fn a_node_that_dies_frees_its_keys_after_one_lease() {
    let setting = Setting::new(2);
    let old = setting.connect(0);
    setting.pass(Duration::from_millis(1));
    setting.stop(0);
    setting.nodes[0].link.cut();
    let key = setting.nodes[1].cluster.key("worker", "ada").unwrap();
    let whereis = |setting: &Setting| {
        let (cluster, key) = (setting.nodes[1].cluster.clone(), key.clone());
        setting.block_on(async move { cluster.whereis(&key).await.unwrap() })
    };
    let location = whereis(&setting).unwrap();
    assert_eq!(
        (&location.node[..], location.epoch),
        ("a", old.outcome.claim().epoch())
    );
    assert_eq!(location.connection, Some(old.handle.id()));
    setting.pass(LEASE);
    assert_eq!(whereis(&setting), None);
    let new = setting.connect(1);
    setting.pass(Duration::from_millis(1));
    assert_eq!(new.outcome.claim().predecessor(), Predecessor::Unsettled);
    let nodes = setting.nodes[1].cluster.clone();
    let nodes = setting.block_on(async move { nodes.nodes().await.unwrap() });
    assert_eq!(
        nodes.iter().map(|node| &node.name[..]).collect::<Vec<_>>(),
        ["b"]
    );
}

#[test]
fn an_owner_on_another_node_is_closed_by_its_key() {
    let setting = Setting::new(2);
    let old = setting.connect(0);
    setting.pass(Duration::from_millis(1));
    let (cluster, key) = (
        setting.nodes[1].cluster.clone(),
        setting.nodes[1].cluster.key("worker", "ada").unwrap(),
    );
    let close = || {
        let (cluster, key) = (cluster.clone(), key.clone());
        let at_most = Duration::from_secs(1);
        async move { cluster.close(&key, CloseReason::App(7), at_most).await }
    };
    assert!(setting.block_on(close()).unwrap());
    let closed = old.handle.try_settled().unwrap().closed;
    assert_eq!(closed.reason, CloseReason::App(7));
    assert!(!setting.block_on(close()).unwrap());
    setting.assert_nothing_is_left(&[old]);
}
