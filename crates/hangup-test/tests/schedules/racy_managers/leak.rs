//! The last line of the handler registers the cleanup of the table.

use std::collections::HashMap;

use hangup::Conflict;
use hangup_test::Race;
use hangup_test::schedule::{Kind, Manager, Op, Outcome, Place, Shape};

use crate::runner::finds;

#[derive(Default)]
struct CleansUpLate {
    table: Vec<(Place, usize)>,
    /// A step after the add registers the cleanup.
    cleanups: HashMap<usize, Place>,
}

impl Manager for CleansUpLate {
    fn apply(&mut self, op: Op) -> Outcome {
        match op {
            Op::Open(..) => {}
            Op::Join(who, at) => self.table.push((at, who)),
            Op::Drop(who) => {
                if let Some(at) = self.cleanups.remove(&who) {
                    self.table.retain(|entry| *entry != (at, who));
                }
            }
            op => unreachable!("{op}"),
        }
        Outcome::Done
    }

    fn visible(&self, at: Place) -> Vec<usize> {
        let under = self.table.iter().filter(|(place, _)| *place == at);
        under.map(|(_, who)| *who).collect()
    }
}

#[test]
fn r2_dropped_between_the_add_and_the_cleanup() {
    let share = Conflict::share(99);
    let shape = Shape::new().registries([share]).only([Kind::Join]);
    finds(&shape, Race::R2, 3, CleansUpLate::default);
}
