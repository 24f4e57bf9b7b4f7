//! Handlers that are closed in their set-up and add their entry all the same.

use std::collections::{HashMap, HashSet};

use hangup::Conflict;
use hangup_test::Race;
use hangup_test::schedule::{Kind, Manager, Op, Outcome, Place, Shape};

use crate::runner::{finds, passes};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    SettingUp,
    Ready,
    Closed,
}

/// Where the last check of the state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// What the handler writes after its `await` overwrites the close.
    WritesOverTheClose,
    /// The handler checks after the `await`, and not again.
    LooksTooEarly,
    /// The correct one.
    None,
}

struct AddsTheDead {
    bug: Bug,
    at: HashMap<usize, At>,
    /// A step receives the signal, so it does not begin after the signal has fired.
    aborted: HashSet<usize>,
    table: HashMap<Place, usize>,
}

impl AddsTheDead {
    fn new(bug: Bug) -> Self {
        Self {
            bug,
            at: HashMap::new(),
            aborted: HashSet::new(),
            table: HashMap::new(),
        }
    }

    fn end(&mut self, who: usize) -> Outcome {
        self.table.retain(|_, other| *other != who);
        self.at.insert(who, At::Closed);
        match self.aborted.insert(who) {
            true => Outcome::Done,
            false => Outcome::Closed,
        }
    }
}

impl Manager for AddsTheDead {
    fn apply(&mut self, op: Op) -> Outcome {
        let at = op.connection().and_then(|who| self.at.get(&who).copied());
        let is_closed = at == Some(At::Closed);
        match op {
            Op::Open(who, _) => {
                self.at.insert(who, At::SettingUp);
                Outcome::Done
            }
            Op::BeginStep(who) if !self.aborted.contains(&who) => Outcome::Waits,
            Op::CompleteStep(who) if !is_closed || self.bug == Bug::WritesOverTheClose => {
                self.at.insert(who, At::Ready);
                Outcome::Done
            }
            Op::Join(who, at) if !is_closed || self.bug == Bug::LooksTooEarly => {
                match self.table.contains_key(&at) {
                    true => return Outcome::Refused,
                    false => self.table.insert(at, who),
                };
                Outcome::Done
            }
            Op::BeginStep(_) | Op::CompleteStep(_) | Op::Join(..) => Outcome::Closed,
            Op::Close(who, _) => self.end(who),
            Op::Drop(who) => {
                self.end(who);
                Outcome::Done
            }
            op => unreachable!("{op}"),
        }
    }

    fn visible(&self, at: Place) -> Vec<usize> {
        self.table.get(&at).copied().into_iter().collect()
    }
}

#[test]
fn nothing_is_found_if_the_check_is_part_of_the_add() {
    passes(&shape(), 300, || AddsTheDead::new(Bug::None));
}

fn shape() -> Shape {
    let shape = Shape::new().registries([Conflict::Reject]);
    shape.only([Kind::BeginStep, Kind::CompleteStep, Kind::Join, Kind::Close])
}

#[test]
fn r1_closed_in_a_step_of_the_set_up() {
    finds(&shape(), Race::R1, 5, || {
        AddsTheDead::new(Bug::WritesOverTheClose)
    });
}

#[test]
fn r5_closed_between_the_last_check_and_the_add() {
    finds(&shape(), Race::R5, 3, || {
        AddsTheDead::new(Bug::LooksTooEarly)
    });
}
