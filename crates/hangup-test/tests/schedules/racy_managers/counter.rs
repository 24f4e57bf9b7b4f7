//! Several callers decrement one counter.

use std::collections::HashSet;

use hangup_test::Race;
use hangup_test::schedule::{Kind, Manager, Op, Outcome, Place, Shape};

use crate::runner::{finds, passes};

/// Where the counter is decremented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Down {
    /// The abort handler and the drop both decrement it.
    AtEveryTrigger,
    /// The handler decrements it when it responds, while the body still streams.
    AtTheResponse,
    /// The handler decrements it after its last `await`, which a dropped handler does not
    /// reach.
    AfterTheAwait,
    /// The first of the two decrements it.
    Once,
}

struct Counts {
    down: Down,
    open: HashSet<usize>,
    in_set_up: HashSet<usize>,
    count: i64,
}

impl Counts {
    fn new(down: Down) -> Self {
        Self {
            down,
            open: HashSet::new(),
            in_set_up: HashSet::new(),
            count: 0,
        }
    }

    fn end(&mut self, who: usize, is_dropped: bool) -> Outcome {
        let (was_open, in_set_up) = (self.open.remove(&who), self.in_set_up.remove(&who));
        let counts_down = match self.down {
            Down::AtEveryTrigger => true,
            Down::AtTheResponse => was_open && in_set_up,
            Down::Once => was_open,
            Down::AfterTheAwait => was_open && !(is_dropped && in_set_up),
        };
        self.count -= i64::from(counts_down);
        match was_open {
            true => Outcome::Done,
            false => Outcome::Closed,
        }
    }
}

impl Manager for Counts {
    fn apply(&mut self, op: Op) -> Outcome {
        match op {
            Op::Open(who, _) => {
                self.count += 1;
                self.open.insert(who);
                self.in_set_up.insert(who);
                Outcome::Done
            }
            Op::GoLive(who) if !self.open.contains(&who) => Outcome::Closed,
            Op::GoLive(who) => {
                self.in_set_up.remove(&who);
                self.count -= i64::from(self.down == Down::AtTheResponse);
                Outcome::Done
            }
            Op::Close(who, _) => self.end(who, false),
            Op::Drop(who) => {
                self.end(who, true);
                Outcome::Done
            }
            op => unreachable!("{op}"),
        }
    }

    fn visible(&self, _: Place) -> Vec<usize> {
        Vec::new()
    }

    fn count(&self, _: usize) -> Option<i64> {
        Some(self.count)
    }
}

fn shape() -> Shape {
    let shape = Shape::new().registries([]);
    shape.only([Kind::GoLive, Kind::Close])
}

#[test]
fn nothing_is_found_if_it_is_decremented_once() {
    passes(&shape(), 300, || Counts::new(Down::Once));
}

#[test]
fn r7_decremented_by_every_trigger() {
    finds(&shape(), Race::R7, 3, || Counts::new(Down::AtEveryTrigger));
}

#[test]
fn r25_decremented_at_the_response() {
    finds(&shape(), Race::R25, 2, || Counts::new(Down::AtTheResponse));
}

#[test]
fn r13_decremented_after_the_await() {
    finds(&shape(), Race::R13, 2, || Counts::new(Down::AfterTheAwait));
}
