//! Answers that are lost.

use std::time::Duration;

use hangup_cluster::memory::Fate;

use crate::setting::Setting;

#[test]
fn r34_every_answer_is_lost_once_applied_or_not() {
    for lossy in [0, 1] {
        for applied in [false, true] {
            let mut number = 0;
            loop {
                let setting = Setting::new(2);
                let before = setting.nodes[lossy].link.calls();
                setting.nodes[lossy]
                    .link
                    .fate_of(before + number + 1, Fate::Lose { applied });
                let old = setting.connect(0);
                setting.pass(Duration::from_millis(1));
                let new = setting.connect(1);
                setting.pass(Duration::from_millis(900));
                let calls = setting.nodes[lossy].link.calls() - before;
                let case = format!("call {number} of node {lossy}, applied: {applied}");
                let live = [&old, &new].map(|it| it.handle.state().is_live());
                // The one whose claim was written later.
                assert!(live[0] != live[1], "{case}: {live:?}");
                setting.resource.assert_sound();
                setting.assert_nothing_is_left(&[old, new]);
                if number > calls {
                    break;
                }
                number += 1;
            }
            assert!(number > 3);
        }
    }
}
