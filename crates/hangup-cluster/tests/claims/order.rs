//! Calls of two nodes in every order.

use std::time::Duration;

use hangup::CloseReason;
use hangup_cluster::Predecessor;

use crate::explore::every;
use crate::setting::{Connection, LEASE, Setting, end};

#[test]
fn a_free_key_is_one_write() {
    let setting = Setting::new(1);
    let before = setting.nodes[0].link.calls();
    let connection = setting.connect(0);
    setting.world.run();
    assert_eq!(
        connection.outcome.claim().predecessor(),
        Predecessor::Settled
    );
    assert_eq!(setting.nodes[0].link.calls() - before, 1);
    setting.assert_nothing_is_left(&[connection]);
}

#[test]
fn a_claim_takes_over_from_another_node() {
    let setting = Setting::new(2);
    let old = setting.connect(0);
    setting.pass(Duration::from_millis(1));
    let new = setting.connect(1);
    setting.pass(Duration::from_millis(500));
    assert_eq!(
        old.handle.try_settled().unwrap().closed.reason,
        CloseReason::Superseded
    );
    let (first, second) = (old.outcome.claim(), new.outcome.claim());
    assert!(first.epoch() < second.epoch());
    assert_eq!(second.predecessor(), Predecessor::Settled);
    assert_eq!(setting.resource.entered(), 2);
    setting.assert_nothing_is_left(&[old, new]);
}

#[test]
fn r31_two_nodes_claim_one_key_at_once_in_every_order_of_their_calls() {
    let runs = every(|choices| {
        let setting = Setting::new(2);
        setting.queue.hold(true);
        let connections = [setting.connect(0), setting.connect(1)];
        setting.run_in_order(choices, LEASE / 4, Vec::new());
        assert_one_owner(&setting, &connections);
        setting.assert_nothing_is_left(&connections);
    });
    println!("{runs} orders");
    assert!(runs > 1);
}

#[test]
fn r31_three_connections_of_two_nodes_claim_one_key_in_every_order_of_their_calls() {
    let runs = every(|choices| {
        let setting = Setting::new(2);
        setting.queue.hold(true);
        let connections = [setting.connect(0), setting.connect(1), setting.connect(0)];
        setting.run_in_order(choices, LEASE / 4, Vec::new());
        assert_one_owner(&setting, &connections);
        setting.assert_nothing_is_left(&connections);
    });
    println!("{runs} orders");
    assert!(runs > 100);
}

#[test]
fn r41_a_newcomer_that_hangs_up_at_any_point_leaves_nothing() {
    let runs = every(|choices| {
        let setting = Setting::new(2);
        setting.queue.hold(true);
        let mut connections = vec![setting.connect(0), setting.connect(1)];
        let gone = connections[1].handle.clone();
        let hang_up = move || end(&gone, CloseReason::Dropped);
        setting.run_in_order(choices, LEASE / 4, vec![Box::new(hang_up)]);
        setting.resource.assert_sound();
        // The next one is not in the way of what has gone.
        setting.queue.hold(false);
        let next = setting.connect(0);
        setting.pass(LEASE / 4);
        assert!(next.handle.state().is_live());
        assert_eq!(next.outcome.claim().predecessor(), Predecessor::Settled);
        connections.push(next);
        setting.assert_nothing_is_left(&connections);
    });
    println!("{runs} orders");
    assert!(runs > 10);
}

#[track_caller]
fn assert_one_owner(setting: &Setting, connections: &[Connection]) {
    setting.resource.assert_sound();
    let live = connections.iter().filter(|it| it.handle.state().is_live());
    assert_eq!(live.count(), 1, "the one whose reservation came later");
}
