//! One connection has entries in two tables.

use std::collections::HashSet;

use hangup::Conflict;
use hangup_test::Race;
use hangup_test::schedule::{Kind, Manager, Op, Outcome, Place, Shape};

use crate::runner::{finds, passes};

/// A connection that is found in the first table is not looked up in the second.
#[derive(Default)]
struct CleansOneIndex {
    open: HashSet<usize>,
    wants: Vec<(Place, usize)>,
    by_user: Vec<(usize, usize)>,
    by_room: Vec<(usize, usize)>,
    /// The correct one.
    cleans_both: bool,
}

impl CleansOneIndex {
    fn end(&mut self, who: usize) -> Outcome {
        self.wants.retain(|(_, other)| *other != who);
        let found = self.by_user.iter().any(|(_, other)| *other == who);
        self.by_user.retain(|(_, other)| *other != who);
        if !found || self.cleans_both {
            self.by_room.retain(|(_, other)| *other != who);
        }
        match self.open.remove(&who) {
            true => Outcome::Done,
            false => Outcome::Closed,
        }
    }
}

impl Manager for CleansOneIndex {
    fn apply(&mut self, op: Op) -> Outcome {
        match op {
            Op::Open(who, _) => {
                self.open.insert(who);
                Outcome::Done
            }
            Op::Close(who, _) => self.end(who),
            Op::Drop(who) => {
                self.end(who);
                Outcome::Done
            }
            op if !self.open.contains(&op.connection().unwrap()) => Outcome::Closed,
            Op::Join(who, at) => {
                self.wants.push((at, who));
                Outcome::Done
            }
            Op::GoLive(who) => {
                for (at, _) in self.wants.iter().filter(|(_, other)| *other == who) {
                    let indexes = [&mut self.by_user, &mut self.by_room];
                    indexes
                        .into_iter()
                        .nth(at.registry)
                        .unwrap()
                        .push((at.key, who));
                }
                Outcome::Done
            }
            op => unreachable!("{op}"),
        }
    }

    fn visible(&self, at: Place) -> Vec<usize> {
        let index = [&self.by_user, &self.by_room][at.registry];
        let under = index.iter().filter(|(key, _)| *key == at.key);
        under.map(|(_, who)| *who).collect()
    }
}

fn shape() -> Shape {
    let share = Conflict::share(99);
    let shape = Shape::new().keys(1).registries([share, share]);
    shape.only([Kind::Join, Kind::GoLive, Kind::Close])
}

#[test]
fn nothing_is_found_if_both_are_cleaned() {
    passes(&shape(), 300, || CleansOneIndex {
        cleans_both: true,
        ..CleansOneIndex::default()
    });
}

#[test]
fn r21_removed_from_one_index_only() {
    finds(&shape(), Race::R21, 5, CleansOneIndex::default);
}
