//! Each difference suggests the right race.

use hangup::state::Event;
use hangup::{CloseReason, Conflict, State};
use hangup_test::Race;
use hangup_test::schedule::{Manager, Op, Outcome, Place, Reference, Schedule, Shape, check};

const WHY: CloseReason = CloseReason::Aborted;
const A: Place = place(0);
const B: Place = place(1);

const fn place(registry: usize) -> Place {
    Place { registry, key: 0 }
}

/// What the manager reports instead of the truth, after the last operation.
#[derive(Debug)]
enum Lie {
    Outcome(Outcome),
    Visible(Place, &'static [usize]),
    Count(i64),
    Undone(&'static [usize]),
    State(State),
}

struct Lying<'a> {
    right: Reference,
    left: usize,
    lie: &'a Lie,
}

impl Lying<'_> {
    fn lie(&self) -> Option<&Lie> {
        (self.left == 0).then_some(self.lie)
    }
}

impl Manager for Lying<'_> {
    fn apply(&mut self, op: Op) -> Outcome {
        self.left -= 1;
        let right = self.right.apply(op);
        match self.lie() {
            Some(Lie::Outcome(wrong)) => *wrong,
            _ => right,
        }
    }

    fn visible(&self, at: Place) -> Vec<usize> {
        match self.lie() {
            Some(Lie::Visible(place, wrong)) if *place == at => wrong.to_vec(),
            _ => self.right.visible(at),
        }
    }

    fn count(&self, scope: usize) -> Option<i64> {
        match self.lie() {
            Some(Lie::Count(wrong)) if scope == 0 => Some(*wrong),
            _ => self.right.count(scope),
        }
    }

    fn undone(&self, who: usize) -> Option<Vec<usize>> {
        match self.lie() {
            Some(Lie::Undone(wrong)) if who == 0 => Some(wrong.to_vec()),
            _ => self.right.undone(who),
        }
    }

    fn state(&self, who: usize) -> Option<State> {
        match self.lie() {
            Some(Lie::State(wrong)) if who == 0 => Some(*wrong),
            _ => self.right.state(who),
        }
    }
}

fn shape() -> Shape {
    let registries = [Conflict::Replace, Conflict::Reject];
    Shape::new().registries(registries).scopes([None, Some(1)])
}

/// The manager lies at the last of these operations.
fn race_in(shape: &Shape, ops: &[&[Op]], lie: &Lie) -> Option<Race> {
    let ops = ops.concat();
    let schedule = Schedule::new(shape, ops.iter().copied()).unwrap();
    let (right, left) = (Reference::new(shape), ops.len());
    let divergence = check(&schedule, &mut Lying { right, left, lie }).unwrap_err();
    assert_eq!(divergence.number(), ops.len(), "{divergence}");
    divergence.race
}

fn assert_race(ops: &[&[Op]], lie: Lie, race: Option<Race>) {
    assert_eq!(race_in(&shape(), ops, &lie), race, "{ops:?}, {lie:?}");
}

const fn open(who: usize) -> Op {
    Op::Open(who, 0)
}

const fn registering(who: usize) -> [Op; 2] {
    [open(who), Op::Register(who)]
}

const fn joined(who: usize) -> [Op; 3] {
    [open(who), Op::Register(who), Op::Join(who, A)]
}

const fn live(who: usize) -> [Op; 4] {
    [
        open(who),
        Op::Register(who),
        Op::Join(who, A),
        Op::GoLive(who),
    ]
}

const fn in_step(who: usize) -> [Op; 3] {
    [open(who), Op::Register(who), Op::BeginStep(who)]
}

const fn in_two(who: usize) -> [Op; 4] {
    [
        open(who),
        Op::Register(who),
        Op::Join(who, A),
        Op::Join(who, B),
    ]
}

#[test]
fn an_outcome_suggests_its_race() {
    let done = |ops: &[&[Op]], race| assert_race(ops, Lie::Outcome(Outcome::Done), race);
    done(&[&[Op::BeginDrain(0), open(0)]], Some(Race::R15));
    done(&[&[Op::Open(0, 1), Op::Open(1, 1)]], Some(Race::R20));
    let last = [Op::Join(1, B)];
    done(&[&in_two(0), &registering(1), &last], Some(Race::R20));
    let close = Op::Close(0, WHY);
    done(&[&[open(0), close, close]], Some(Race::R7));
    done(&[&[open(0), close, Op::Register(0)]], Some(Race::R5));
    done(&[&joined(0), &[close, Op::GoLive(0)]], Some(Race::R5));
    let all = Op::CloseAll(0, WHY);
    done(&[&[open(0), all, Op::Register(0)]], Some(Race::R15));
    done(&[&joined(0), &[all, Op::GoLive(0)]], Some(Race::R15));
    let taken_over = [Op::TakeOver(1, A), Op::GoLive(0)];
    done(&[&joined(0), &registering(1), &taken_over], Some(Race::R23));
    let last = [close, Op::Poll(0), Op::GoLive(0)];
    done(&[&in_step(0), &last], Some(Race::R1));
    let waits = [Op::TakeOver(1, A)];
    let begun = [&joined(0)[..], &[Op::BeginStep(0)], &registering(1)].concat();
    done(&[&begun, &waits], Some(Race::R23));
    done(&[&begun, &waits, &[Op::Poll(1)]], Some(Race::R23));
    done(&[&in_step(0)], None);

    let lie = Lie::Outcome(Outcome::Waits);
    let again = [close, Op::BeginStep(0)];
    assert_race(&[&registering(0), &again], lie, Some(Race::R6));
    assert_race(&[&[open(0)]], Lie::Outcome(Outcome::Refused), None);
}

#[test]
fn a_number_of_closed_connections_suggests_its_race() {
    let count = |ops: &[&[Op]], count, race| {
        assert_race(ops, Lie::Outcome(Outcome::Count(count)), race);
    };
    let (all, key) = (Op::CloseAll(0, WHY), Op::CloseKey(A, WHY));
    count(&[&[open(0), all]], 2, Some(Race::R7));
    count(&[&[open(0), all]], 0, Some(Race::R15));
    count(&[&live(0), &[open(1), all]], 1, Some(Race::R15));
    count(&[&joined(0), &[key]], 0, Some(Race::R5));
    count(&[&live(0), &[key]], 0, None);
}

#[test]
fn a_connection_that_should_be_hidden_suggests_its_race() {
    let visible = |ops: &[&[Op]], race| assert_race(ops, Lie::Visible(A, &[0]), race);
    let close = Op::Close(0, WHY);
    visible(&[&joined(0)], None);
    visible(&[&in_two(0)], None);
    visible(&[&live(0), &[close]], Some(Race::R2));
    visible(&[&live(0), &[Op::Drop(0)]], Some(Race::R2));
    visible(&[&live(0), &[Op::CloseKey(A, WHY)]], None);
    visible(&[&in_two(0), &[Op::GoLive(0), close]], Some(Race::R21));
}

#[test]
fn a_connection_that_should_be_visible_suggests_its_race() {
    let hidden = |ops: &[&[Op]], race| assert_race(ops, Lie::Visible(A, &[]), race);
    let close = Op::Close(0, WHY);
    hidden(&[&live(0)], None);
    hidden(&[&in_two(0), &[Op::GoLive(0)]], Some(Race::R21));
    hidden(&[&live(0), &live(1)], Some(Race::R8));
    hidden(&[&live(0), &live(1), &[close]], Some(Race::R8));
    // These operations are unrelated.
    hidden(&[&live(0), &live(1), &[open(2)]], None);
    hidden(&[&live(0), &joined(1), &[Op::BeginStep(1)]], None);
    let elsewhere = [Op::Join(1, B), Op::Close(1, WHY)];
    hidden(&[&live(0), &registering(1), &elsewhere], None);
}

#[test]
fn a_count_suggests_its_race() {
    let count = |ops: &[&[Op]], count, race| assert_race(ops, Lie::Count(count), race);
    let close = Op::Close(0, WHY);
    count(&[&live(0), &[close]], 1, Some(Race::R2));
    count(&[&registering(0), &[Op::Drop(0)]], 1, Some(Race::R13));
    count(&[&in_step(0), &[Op::Drop(0)]], 1, Some(Race::R13));
    count(&[&registering(0), &[close]], 1, None);
    count(&[&[open(0), close]], 1, None);
    count(&[&live(0), &[close, open(1)]], 2, None);
    let lie = Lie::Count(1);
    let aborts = shape().close_ends_steps();
    let ops = [&in_step(0)[..], &[close]];
    assert_eq!(race_in(&aborts, &ops, &lie), Some(Race::R1));

    count(&[&[open(0), close]], -1, Some(Race::R7));
    count(
        &[&[open(0), open(1), close, Op::Drop(0)]],
        0,
        Some(Race::R7),
    );
    count(&[&[open(0)]], 0, Some(Race::R20));
    count(&[&registering(0)], 0, Some(Race::R25));
    count(&[&joined(0)], 0, Some(Race::R25));
    count(&[&live(0)], 0, Some(Race::R25));
    count(&[&in_step(0), &[close]], 0, Some(Race::R24));
    count(&[&in_step(0)], 0, None);
    count(&[&in_step(0), &[open(1), Op::Close(1, WHY)]], 0, None);
}

#[test]
fn undone_steps_suggest_their_race() {
    let undone = |ops: &[&[Op]], steps, race| assert_race(ops, Lie::Undone(steps), race);
    let (close, complete) = (Op::Close(0, WHY), Op::CompleteStep(0));
    undone(&[&in_step(0), &[complete, close]], &[0, 0], Some(Race::R7));
    undone(&[&in_step(0), &[close]], &[0], Some(Race::R24));
    let begins = [close, Op::BeginStep(0)];
    undone(&[&registering(0), &begins], &[0], Some(Race::R6));
    undone(&[&in_step(0), &[complete, open(1)]], &[0], Some(Race::R8));
    undone(
        &[&in_step(0), &[complete], &in_step(1)],
        &[0],
        Some(Race::R8),
    );
    undone(&[&in_step(0), &[complete]], &[0], None);
    undone(
        &[&in_step(0), &[complete, Op::Drop(0)]],
        &[],
        Some(Race::R13),
    );
    let lives = [complete, Op::GoLive(0), close];
    undone(&[&in_step(0), &lives], &[], Some(Race::R2));
    undone(&[&in_step(0), &[close, complete]], &[], Some(Race::R1));
    undone(&[&in_step(0), &[complete, close]], &[], None);
    let twice = [complete, Op::BeginStep(0), complete, close];
    undone(&[&in_step(0), &twice], &[0, 1], None);
}

#[test]
fn a_state_suggests_its_race() {
    let state = |ops: &[&[Op]], state, race| assert_race(ops, Lie::State(state), race);
    let idle = State::Pending
        .apply(Event::Close(CloseReason::Idle))
        .unwrap();
    let close = Op::Close(0, WHY);
    state(&[&[open(0), close]], idle, Some(Race::R7));
    state(&[&[open(0), close]], State::Pending, Some(Race::R5));
    state(&[&live(0), &[close]], State::Live, Some(Race::R2));
    state(&[&[open(0)]], idle, None);
    state(&[&[open(0)]], State::Registering, None);
}
