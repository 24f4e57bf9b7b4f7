//! The shutdown closes the connections in the table of live ones only.

use std::collections::HashMap;

use hangup_test::Race;
use hangup_test::schedule::{Kind, Manager, Op, Outcome, Place, Shape};

use crate::runner::finds;

#[derive(Default)]
struct ClosesTheLive {
    wants: HashMap<usize, usize>,
    live: HashMap<usize, usize>,
    /// Whether the outcome is the number of closed connections.
    counts: bool,
}

impl Manager for ClosesTheLive {
    fn apply(&mut self, op: Op) -> Outcome {
        match op {
            Op::Join(who, at) => {
                self.wants.insert(who, at.key);
            }
            Op::GoLive(who) => {
                let key = self.wants.remove(&who).unwrap_or(usize::MAX);
                self.live.retain(|_, other| *other != key);
                self.live.insert(who, key);
            }
            Op::CloseAll(..) => {
                let closed = self.live.len();
                self.live.clear();
                if self.counts {
                    return Outcome::Count(closed);
                }
            }
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

fn shape() -> Shape {
    // One connection at once: a later newcomer is another race.
    let shape = Shape::new().connections(1);
    shape.only([Kind::Register, Kind::Join, Kind::GoLive, Kind::CloseAll])
}

#[test]
fn r15_goes_live_after_the_close_all_has_passed() {
    finds(&shape(), Race::R15, 4, ClosesTheLive::default);
}

#[test]
fn r15_shows_in_the_number_of_closed_connections() {
    let counts = || ClosesTheLive {
        counts: true,
        ..ClosesTheLive::default()
    };
    finds(&shape(), Race::R15, 2, counts);
}
