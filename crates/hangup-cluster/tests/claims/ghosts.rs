//! Writes that take effect when they are not waited for any more.

use std::time::Duration;

use hangup::CloseReason;
use hangup_cluster::Predecessor;
use hangup_cluster::engine::Claims;
use hangup_cluster::memory::Fate;

use crate::setting::{LEASE, RECORD, Setting, end};

#[test]
fn a_reservation_that_was_given_up_does_not_come_late() {
    let late = Duration::from_secs(2);
    for held in [false, true] {
        let setting = Setting::new(2);
        let old = held.then(|| setting.connect(0));
        setting.pass(Duration::from_millis(1));
        setting.nodes[1]
            .link
            .fates(move |call| match call.is_write() && call.name == RECORD {
                true => Fate::Late(late),
                false => Fate::Answer,
            });
        let new = setting.connect(1);
        setting.world.run();
        end(&new.handle, CloseReason::Dropped);
        setting.nodes[1].link.behave();
        setting.pass(late + Duration::from_millis(500));
        assert!(new.handle.try_settled().is_some());
        if let Some(old) = &old {
            assert!(old.handle.state().is_live());
            end(&old.handle, CloseReason::Dropped);
            setting.pass(Duration::from_millis(100));
        }
        let record = setting.record();
        let names_it =
            |value: Vec<u8>| String::from_utf8(value).unwrap().contains("\"node\":\"b\"");
        assert!(
            !record.is_some_and(|record| names_it(record.value)),
            "held: {held}"
        );
        setting.assert_nothing_is_left(&[new]);
    }
}

#[test]
fn a_ghost_is_removed_by_the_node_that_is_named_in_it() {
    let setting = Setting::new(2);
    let gone = setting.connect(1);
    setting.pass(Duration::from_millis(1));
    let ghost = setting.record().unwrap().value;
    end(&gone.handle, CloseReason::Dropped);
    setting.pass(LEASE * 2);
    let memory = setting.memory.clone();
    setting.block_on(async move { memory.swap(RECORD, None, ghost, None).await.unwrap() });
    let new = setting.connect(0);
    setting.pass(Duration::from_millis(500));
    assert_eq!(new.outcome.claim().predecessor(), Predecessor::Settled);
    setting.assert_nothing_is_left(&[gone, new]);
}
