//! What is over: what is told of it, and for how long.

use std::time::Duration;

use hangup::CloseReason;
use hangup_cluster::{OnLapse, Predecessor};

use crate::setting::{LEASE, Setting, UNDO, end};

const HOUR: Duration = Duration::from_secs(3600);
const MOMENT: Duration = Duration::from_millis(1);

impl Setting {
    fn leave(&self, node: usize) {
        let cluster = self.nodes[node].cluster.clone();
        self.block_on(async move { cluster.leave().await });
    }
}

#[test]
fn what_a_node_that_leaves_has_not_undone_is_told() {
    let setting = Setting::new(2);
    // Longer than the margin, and not given up by the scope.
    let undo = Duration::from_millis(900);
    let old = setting.connect_undone_after(0, OnLapse::Close, undo);
    setting.pass(MOMENT);
    setting.leave(0);
    assert!(old.handle.state().is_closed());
    assert!(old.handle.try_settled().is_none());
    let new = setting.connect(1);
    setting.pass(MOMENT);
    // At once, and not after one lease.
    assert_eq!(new.outcome.claim().predecessor(), Predecessor::Unsettled);
    // As it was told: it was undone beside its successor.
    setting.pass(undo);
    assert!(old.handle.try_settled().is_some());
    assert_eq!(setting.resource.late_undos(), 1);
    setting.assert_nothing_is_left(&[old, new]);
}

#[test]
fn the_record_of_a_key_that_is_free_again_evaporates() {
    let setting = Setting::new(1);
    let connection = setting.connect(0);
    setting.pass(LEASE * 5);
    assert!(setting.record().is_some(), "it has an owner");
    end(&connection.handle, CloseReason::Dropped);
    setting.pass(UNDO + MOMENT);
    assert_eq!(setting.nodes[0].cluster.claims(), 0);
    setting.pass(LEASE);
    assert_eq!(setting.record(), None);
}

#[test]
fn that_a_key_was_not_undone_is_remembered_for_a_day() {
    let setting = Setting::new(1);
    let connection = setting.connect_undone_after(0, OnLapse::Close, HOUR);
    setting.pass(MOMENT);
    end(&connection.handle, CloseReason::Dropped);
    // The scope gives the undo up.
    setting.pass(Duration::from_secs(3));
    assert_eq!(setting.nodes[0].cluster.claims(), 0);
    // Nothing is renewed for a day.
    setting.leave(0);
    setting.pass(23 * HOUR);
    assert!(setting.record().is_some(), "it is forgotten");
    setting.pass(HOUR);
    assert_eq!(setting.record(), None);
}

/// What has buried its session is forgotten, and all that its successor wrote.
#[test]
fn a_node_that_slept_until_it_was_forgotten_does_not_come_back_as_an_owner() {
    let mut setting = Setting::new(2);
    let old = setting.connect_with(0, OnLapse::Hold(100 * HOUR));
    setting.pass(MOMENT);
    setting.stop(0);
    setting.nodes[0].link.cut();
    let second = setting.connect(1);
    setting.pass(LEASE + Duration::from_millis(600));
    assert_eq!(second.outcome.claim().predecessor(), Predecessor::Unsettled);
    end(&second.handle, CloseReason::Dropped);
    setting.pass(UNDO + MOMENT);
    setting.leave(1);
    setting.pass(25 * HOUR);
    setting.add_node("c");
    let third = setting.connect(2);
    setting.pass(MOMENT);
    assert!(third.handle.state().is_live());
    setting.nodes[0].link.heal();
    setting.go_on(0);
    setting.pass(LEASE * 2);
    assert!(third.handle.state().is_live());
    let closed = old.handle.try_settled().unwrap().closed;
    assert_eq!(closed.reason, CloseReason::Lost);
    // Without a late write.
    setting.assert_nothing_is_left(&[old, second, third]);
}

#[test]
fn a_node_that_was_silent_for_half_a_day_has_another_session() {
    for (silent, is_another) in [(11 * HOUR, false), (13 * HOUR, true)] {
        let setting = Setting::new(1);
        let connection = setting.connect_with(0, OnLapse::Hold(100 * HOUR));
        setting.pass(MOMENT);
        let session = setting.nodes[0].cluster.session();
        setting.stop(0);
        setting.pass(silent);
        setting.go_on(0);
        setting.pass(LEASE);
        assert!(setting.nodes[0].cluster.has_lease());
        assert_eq!(setting.nodes[0].cluster.session() != session, is_another);
        assert_eq!(connection.handle.state().is_closed(), is_another);
        setting.assert_nothing_is_left(&[connection]);
    }
}
