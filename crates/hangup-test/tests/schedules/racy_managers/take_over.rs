//! The take-over closes live connections only.

use std::collections::{HashMap, HashSet};

use hangup_test::Race;
use hangup_test::schedule::{Kind, Manager, Op, Outcome, Place, Shape};

use crate::runner::{finds, passes};

#[derive(Default)]
struct TakesOverTheLive {
    open: HashSet<usize>,
    wants: HashMap<usize, Place>,
    table: HashMap<Place, usize>,
    /// The correct one also closes those in their set-up.
    finds_all: bool,
}

impl TakesOverTheLive {
    fn end(&mut self, who: usize) -> Outcome {
        self.wants.remove(&who);
        self.table.retain(|_, other| *other != who);
        match self.open.remove(&who) {
            true => Outcome::Done,
            false => Outcome::Closed,
        }
    }
}

impl Manager for TakesOverTheLive {
    fn apply(&mut self, op: Op) -> Outcome {
        match op {
            Op::Open(who, _) => {
                self.open.insert(who);
                Outcome::Done
            }
            Op::Drop(who) => {
                self.end(who);
                Outcome::Done
            }
            op if !self.open.contains(&op.connection().unwrap()) => Outcome::Closed,
            Op::TakeOver(who, at) => {
                let live = self.table.get(&at).copied();
                let others = self.wants.iter().filter(|(_, other)| **other == at);
                let others = others.map(|(who, _)| *who).filter(|_| self.finds_all);
                for old in others.chain(live).collect::<Vec<_>>() {
                    self.end(old);
                }
                self.wants.insert(who, at);
                Outcome::Done
            }
            Op::GoLive(who) => {
                if let Some(at) = self.wants.remove(&who) {
                    self.table.insert(at, who);
                }
                Outcome::Done
            }
            op => unreachable!("{op}"),
        }
    }

    fn visible(&self, at: Place) -> Vec<usize> {
        self.table.get(&at).copied().into_iter().collect()
    }
}

fn shape() -> Shape {
    Shape::new().keys(1).only([Kind::TakeOver, Kind::GoLive])
}

#[test]
fn nothing_is_found_if_it_closes_connections_in_set_up() {
    passes(&shape(), 300, || TakesOverTheLive {
        finds_all: true,
        ..TakesOverTheLive::default()
    });
}

#[test]
fn r23_taken_over_in_mid_set_up() {
    finds(&shape(), Race::R23, 5, TakesOverTheLive::default);
}
