//! Nodes that are stopped, cut off or killed, and leases that run out.

use std::time::Duration;

use hangup::CloseReason;
use hangup_cluster::memory::Fate;
use hangup_cluster::{ClaimError, OnLapse, Predecessor, RegisteringExt};

use crate::setting::{ACT_EVERY, LEASE, RENEWED, Setting};

const HOLD: OnLapse = OnLapse::Hold(Duration::from_secs(60));

#[test]
fn r33_a_stopped_node_does_not_act_after_its_lease() {
    let setting = Setting::new(2);
    let old = setting.connect(0);
    setting.pass(Duration::from_millis(100));
    setting.stop(0);
    let new = setting.connect(1);
    setting.pass(LEASE + Duration::from_millis(600));
    assert_eq!(new.outcome.claim().predecessor(), Predecessor::Unsettled);
    let writes = setting.resource.writes();
    assert!(writes > 0);
    setting.go_on(0);
    setting.pass(Duration::from_millis(100));
    assert!(old.handle.try_settled().is_some());
    // Late, as nothing can prevent: the epoch fences it.
    assert_eq!(setting.resource.late_undos(), 1);
    assert!(new.handle.state().is_live());
    // Without a late write.
    setting.assert_nothing_is_left(&[old, new]);
}

#[test]
fn r33_a_stopped_node_under_hold_yields_nothing_either() {
    let setting = Setting::new(2);
    let old = setting.connect_with(0, HOLD);
    setting.pass(Duration::from_millis(100));
    setting.stop(0);
    let new = setting.connect(1);
    setting.pass(LEASE + Duration::from_millis(600));
    assert!(new.handle.state().is_live());
    setting.go_on(0);
    setting.pass(Duration::from_millis(100));
    assert!(old.handle.try_settled().is_some());
    setting.assert_nothing_is_left(&[old, new]);
}

#[test]
fn a_node_that_was_succeeded_while_it_was_stopped_says_lost_whatever_it_reads_first() {
    for on_lapse in [OnLapse::Close, OnLapse::Hold(LEASE), HOLD] {
        let setting = Setting::new(2);
        let old = setting.connect_with(0, on_lapse);
        setting.pass(Duration::from_millis(100));
        setting.stop(0);
        // It asks for the key before it takes it: that is read first.
        let new = setting.connect(1);
        setting.pass(LEASE * 3);
        assert!(new.handle.state().is_live());
        setting.go_on(0);
        setting.pass(Duration::from_millis(100));
        let settled = old.handle.try_settled().unwrap();
        assert_eq!(settled.closed.reason, CloseReason::Lost, "{on_lapse:?}");
        setting.assert_nothing_is_left(&[old, new]);
    }
}

#[test]
fn what_goes_on_after_a_lapse_is_handed_over_to_the_newcomer_that_waits() {
    let setting = Setting::new(2);
    let old = setting.connect_with(0, HOLD);
    setting.pass(Duration::from_millis(100));
    setting.stop(0);
    let new = setting.connect(1);
    // Longer than the node's lease, and shorter than the engine's.
    let lapse = RENEWED + LEASE - LEASE / 10 - setting.world.elapsed();
    setting.pass(lapse + Duration::from_millis(1));
    assert!(new.outcome.get().is_none());
    setting.go_on(0);
    setting.pass(Duration::from_millis(500));
    let settled = old.handle.try_settled().unwrap();
    assert_eq!(settled.closed.reason, CloseReason::Superseded);
    assert_eq!(new.outcome.claim().predecessor(), Predecessor::Settled);
    setting.assert_nothing_is_left(&[old, new]);
}

#[test]
fn a_node_that_stood_still_and_was_not_succeeded_goes_on() {
    let setting = Setting::new(2);
    let connection = setting.connect_with(0, HOLD);
    setting.pass(Duration::from_millis(100));
    setting.stop(0);
    setting.pass(LEASE * 2);
    setting.go_on(0);
    let writes = setting.resource.writes();
    setting.pass(ACT_EVERY * 10);
    assert!(connection.handle.state().is_live());
    assert!(setting.resource.writes() > writes + 5);
    setting.assert_nothing_is_left(&[connection]);
}

#[test]
fn r32_the_undo_of_a_node_that_is_cut_off_ends_before_a_successor_comes() {
    let setting = Setting::new(2);
    let old = setting.connect(0);
    setting.pass(Duration::from_millis(100));
    setting.nodes[0].link.cut();
    let new = setting.connect(1);
    setting.pass(LEASE + Duration::from_millis(600));
    assert!(new.handle.state().is_live());
    assert_eq!(new.outcome.claim().predecessor(), Predecessor::Unsettled);
    assert_eq!(setting.resource.late_undos(), 0);
    assert!(old.handle.state().is_closed());
    // It claims nothing while it is cut off.
    let refused = setting.connect(0);
    setting.pass(Duration::from_millis(1));
    let error = refused.outcome.get().unwrap().unwrap_err();
    assert!(matches!(error, ClaimError::Unavailable { .. }), "{error}");
    assert!(error.retry_after().is_some());
    // And takes the key back after that.
    setting.nodes[0].link.heal();
    setting.pass(LEASE);
    let back = setting.connect(0);
    setting.pass(Duration::from_millis(500));
    assert_eq!(back.outcome.claim().predecessor(), Predecessor::Settled);
    setting.assert_nothing_is_left(&[old, new, refused, back]);
}

#[test]
fn a_connection_closes_at_the_instant_of_the_lapse_and_not_later() {
    let setting = Setting::new(1);
    let connection = setting.connect(0);
    setting.pass(Duration::from_millis(1));
    setting.nodes[0].link.cut();
    let lapse = RENEWED + LEASE - LEASE / 10 - setting.world.elapsed();
    setting.pass(lapse - Duration::from_millis(1));
    assert!(connection.handle.state().is_live());
    setting.pass(Duration::from_millis(1));
    assert!(connection.handle.state().is_closed());
    setting.nodes[0].link.heal();
    setting.assert_nothing_is_left(&[connection]);
}

#[test]
fn r39_an_engine_that_is_away_closes_none_that_is_held() {
    for on_lapse in [HOLD, OnLapse::Close] {
        let setting = Setting::new(2);
        let connection = setting.connect_with(0, on_lapse);
        setting.pass(Duration::from_millis(100));
        setting.nodes.iter().for_each(|node| node.link.cut());
        setting.pass(LEASE);
        let writes = setting.resource.writes();
        setting.pass(LEASE * 2);
        // Silent, and refused elsewhere.
        assert_eq!(setting.resource.writes(), writes);
        let elsewhere = setting.connect(1);
        setting.pass(Duration::from_millis(1));
        assert!(elsewhere.outcome.get().unwrap().is_err());
        setting.nodes.iter().for_each(|node| node.link.heal());
        setting.pass(LEASE);
        match on_lapse {
            HOLD => {
                assert!(connection.handle.state().is_live());
                assert!(setting.resource.writes() > writes);
            }
            _ => assert!(connection.handle.try_settled().is_some()),
        }
        let new = setting.connect(1);
        setting.pass(LEASE);
        assert_eq!(new.outcome.claim().predecessor(), Predecessor::Settled);
        setting.assert_nothing_is_left(&[connection, elsewhere, new]);
    }
}

#[test]
fn what_is_held_closes_when_its_time_is_over() {
    let setting = Setting::new(1);
    let hold = Duration::from_secs(4);
    let connection = setting.connect_with(0, OnLapse::Hold(hold));
    setting.pass(Duration::from_millis(1));
    setting.nodes[0].link.cut();
    let lapse = RENEWED + LEASE - LEASE / 10 - setting.world.elapsed();
    setting.pass(lapse + hold - Duration::from_millis(1));
    assert!(connection.handle.state().is_live());
    setting.pass(Duration::from_millis(1));
    assert_eq!(
        connection.handle.state().closed().unwrap().reason,
        CloseReason::Lost
    );
    setting.nodes[0].link.heal();
    setting.assert_nothing_is_left(&[connection]);
}

#[test]
fn an_engine_that_restarts_is_not_noticed() {
    let setting = Setting::new(2);
    let old = setting.connect(0);
    setting.pass(Duration::from_millis(100));
    setting.memory.restart();
    setting.pass(LEASE);
    assert!(old.handle.state().is_live());
    let new = setting.connect(1);
    setting.pass(Duration::from_millis(500));
    assert_eq!(new.outcome.claim().predecessor(), Predecessor::Settled);
    assert!(old.outcome.claim().epoch() < new.outcome.claim().epoch());
    setting.assert_nothing_is_left(&[old, new]);
}

#[test]
fn r37_epochs_ascend_after_the_engine_forgot_and_all_that_was_claimed_is_lost() {
    let setting = Setting::new(2);
    let old = setting.connect_with(0, HOLD);
    setting.pass(Duration::from_millis(100));
    setting.memory.forget();
    setting.pass(LEASE);
    assert_eq!(
        old.handle.try_settled().unwrap().closed.reason,
        CloseReason::Lost
    );
    let new = setting.connect(1);
    setting.pass(LEASE);
    assert!(new.outcome.claim().epoch() > old.outcome.claim().epoch());
    setting.assert_nothing_is_left(&[old, new]);
}

#[test]
fn r42_a_lapse_while_the_take_over_waits_gives_the_reservation_up() {
    let setting = Setting::new(2);
    let undo = Duration::from_millis(900);
    let old = setting.connect_undone_after(0, OnLapse::Close, undo);
    setting.pass(Duration::from_millis(100));
    let new = setting.connect(1);
    // It has the reservation, and its lease lapses before the owner has settled.
    setting.pass(Duration::from_millis(100));
    setting.stop(1);
    setting.pass(LEASE * 2);
    setting.go_on(1);
    setting.pass(LEASE);
    assert!(old.handle.try_settled().is_some());
    assert!(new.handle.state().is_closed());
    assert_eq!(setting.resource.entered(), 1);
    setting.assert_nothing_is_left(&[old, new]);
}

#[test]
fn what_has_no_gate_closes_at_the_instant_of_the_lapse_as_well() {
    let setting = Setting::new(1);
    let node = setting.nodes[0].clone();
    let pending = node.scope.open().unwrap();
    let handle = pending.handle();
    setting.world.process(1).spawn(async move {
        let mut setup = pending.register().unwrap();
        let key = node.cluster.key("worker", "ada").unwrap();
        setup.claim(&key).await.unwrap();
        let live = setup.go_live().unwrap();
        live.handle().closed().await;
    });
    setting.pass(Duration::from_millis(1));
    setting.nodes[0].link.cut();
    let lapse = RENEWED + LEASE - LEASE / 10 - setting.world.elapsed();
    setting.pass(lapse - Duration::from_millis(1));
    assert!(handle.state().is_live());
    setting.pass(Duration::from_millis(1));
    assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Lost);
}

#[test]
fn a_lease_runs_from_before_its_renewal_was_sent() {
    let setting = Setting::new(1);
    let connection = setting.connect(0);
    let delay = Duration::from_millis(400);
    setting.nodes[0]
        .link
        .fates(move |call| match call.is_write() {
            true => Fate::DelayAnswer(delay),
            false => Fate::Answer,
        });
    // The renewal is sent a third of the lease later, and answered after the delay.
    setting.pass(LEASE / 3 + delay + Duration::from_millis(1));
    setting.nodes[0].link.cut();
    let sent = RENEWED + LEASE / 3;
    setting.pass(sent + LEASE - LEASE / 10 - setting.world.elapsed() - Duration::from_millis(1));
    assert!(setting.nodes[0].cluster.has_lease());
    setting.pass(Duration::from_millis(1));
    assert!(!setting.nodes[0].cluster.has_lease());
    assert!(connection.handle.state().is_closed());
}

#[test]
fn what_is_free_in_an_engine_that_has_forgotten_may_have_an_owner() {
    let setting = Setting::new(2);
    // It does not notice before its next renewal, and acts until then.
    let old = setting.connect_with(0, HOLD);
    setting.pass(Duration::from_millis(1));
    setting.stop(0);
    setting.memory.forget();
    let early = setting.connect(1);
    setting.pass(LEASE / 2);
    assert!(
        early.outcome.get().unwrap().is_err(),
        "its own session is forgotten as well"
    );
    let new = setting.connect(1);
    setting.pass(Duration::from_millis(1));
    assert_eq!(new.outcome.claim().predecessor(), Predecessor::Unsettled);
    setting.go_on(0);
    setting.pass(LEASE * 2);
    let later = setting.connect(0);
    setting.pass(LEASE);
    assert_eq!(later.outcome.claim().predecessor(), Predecessor::Settled);
    // What it wrote until it noticed is fenced, and nothing else could be.
    assert!(old.handle.try_settled().is_some());
}

#[test]
fn after_an_outage_a_node_that_comes_back_a_little_later_is_not_buried() {
    let setting = Setting::new(2);
    let old = setting.connect_with(0, HOLD);
    setting.pass(Duration::from_millis(100));
    setting.nodes.iter().for_each(|node| node.link.cut());
    setting.pass(LEASE * 2);
    setting.nodes[1].link.heal();
    while !setting.nodes[1].cluster.has_lease() {
        setting.pass(Duration::from_millis(10));
    }
    let new = setting.connect(1);
    setting.pass(Duration::from_millis(200));
    setting.nodes[0].link.heal();
    setting.pass(LEASE);
    assert!(old.handle.try_settled().is_some());
    assert_eq!(new.outcome.claim().predecessor(), Predecessor::Settled);
    assert_eq!(setting.resource.late_undos(), 0);
    setting.assert_nothing_is_left(&[old, new]);
}

#[test]
fn a_node_that_does_not_come_back_after_an_outage_is_buried() {
    let setting = Setting::new(2);
    let old = setting.connect_with(0, HOLD);
    setting.pass(Duration::from_millis(100));
    setting.nodes.iter().for_each(|node| node.link.cut());
    setting.pass(LEASE * 2);
    setting.nodes[1].link.heal();
    while !setting.nodes[1].cluster.has_lease() {
        setting.pass(Duration::from_millis(10));
    }
    let new = setting.connect(1);
    setting.pass(LEASE / 3 + Duration::from_millis(200));
    assert_eq!(new.outcome.claim().predecessor(), Predecessor::Unsettled);
    setting.nodes[0].link.heal();
    setting.pass(LEASE);
    assert!(old.handle.try_settled().is_some());
}

#[test]
fn an_engine_that_waits_for_long_does_not_hold_up_the_next_renewal() {
    let setting = Setting::with_timeout(1, Duration::from_secs(60));
    let connection = setting.connect_with(0, HOLD);
    setting.pass(Duration::from_millis(1));
    setting.nodes[0].link.cut();
    setting.pass(LEASE * 2);
    assert!(!setting.nodes[0].cluster.has_lease());
    setting.nodes[0].link.heal();
    setting.pass(LEASE / 3);
    assert!(setting.nodes[0].cluster.has_lease());
    assert!(connection.handle.state().is_live());
}
