//! The cap is checked in one step and counted in another.

use std::collections::HashMap;

use hangup::Conflict;
use hangup_test::Race;
use hangup_test::schedule::{Kind, Manager, Op, Outcome, Place, Shape};

use crate::runner::finds;

const CAP: usize = 2;

/// The cap is checked at the start of the handler and counted after its `await`.
#[derive(Default)]
struct CountsAfterTheAwait {
    counted: Vec<usize>,
}

impl Manager for CountsAfterTheAwait {
    fn apply(&mut self, op: Op) -> Outcome {
        match op {
            Op::Open(..) if self.counted.len() >= CAP => Outcome::Refused,
            Op::Register(who) => {
                self.counted.push(who);
                Outcome::Done
            }
            Op::Drop(who) => {
                self.counted.retain(|other| *other != who);
                Outcome::Done
            }
            _ => Outcome::Done,
        }
    }

    fn visible(&self, _: Place) -> Vec<usize> {
        Vec::new()
    }
}

#[test]
fn r20_counted_after_the_await() {
    let shape = Shape::new().registries([]).scopes([Some(CAP)]);
    let shape = shape.only([Kind::Register, Kind::GoLive]);
    finds(&shape, Race::R20, CAP + 1, CountsAfterTheAwait::default);
}

/// The cap of a key counts live connections only.
#[derive(Default)]
struct ForgetsThoseInSetUp {
    wants: HashMap<usize, usize>,
    live: HashMap<usize, usize>,
}

impl Manager for ForgetsThoseInSetUp {
    fn apply(&mut self, op: Op) -> Outcome {
        match op {
            Op::Join(who, at) => {
                if self.visible(at).len() >= CAP {
                    return Outcome::Refused;
                }
                self.wants.insert(who, at.key);
            }
            Op::GoLive(who) => self.live.extend(self.wants.remove_entry(&who)),
            Op::Drop(who) => {
                self.wants.remove(&who);
                self.live.remove(&who);
            }
            _ => {}
        }
        Outcome::Done
    }

    fn visible(&self, at: Place) -> Vec<usize> {
        let under = self.live.iter().filter(|(_, key)| **key == at.key);
        under.map(|(who, _)| *who).collect()
    }
}

#[test]
fn r20_a_key_ignores_connections_in_set_up() {
    let share = Conflict::share(CAP);
    let shape = Shape::new().keys(1).registries([share]);
    let shape = shape.only([Kind::Join, Kind::GoLive]);
    // Each connection opens and joins.
    finds(
        &shape,
        Race::R20,
        2 * (CAP + 1),
        ForgetsThoseInSetUp::default,
    );
}
