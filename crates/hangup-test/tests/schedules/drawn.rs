//! Schedules are well drawn: every operation can be done, every conflict occurs, and a
//! schedule that shrinks stays valid.

use std::collections::{BTreeMap, BTreeSet};

use hangup::{CloseReason, Conflict, State};
use hangup_test::schedule::{Kind, Manager, Op, Outcome, Place, Reference, Schedule, Shape};
use proptest::prop_assert;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestError;

use crate::runner::{count, runner};

fn shape() -> Shape {
    let share = Conflict::share(2);
    Shape::new()
        .registries([Conflict::Replace, Conflict::Reject, share])
        .scopes([Some(2), None])
}

fn drawn(shape: &Shape, schedules: usize) -> impl Iterator<Item = Schedule> {
    let (mut runner, strategy) = (runner(1, 1), shape.schedules());
    (0..schedules).map(move |_| strategy.new_tree(&mut runner).unwrap().current())
}

/// A conflict that schedules must contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    JoinsWhereAnotherIsVisible,
    JoinsWhereAnotherIsInSetUp,
    ReplacesAnother,
    TakeOverWaits,
    TakeOverIsCompleteLater,
    RefusedByTheCap,
    RefusedByTheDrain,
    RefusedUnderAKey,
    ClosedInAStep,
    DroppedInAStep,
    ClosedBetweenTwoSteps,
    GoesLiveAfterTheClose,
    ClosedAgain,
    StaleCloseUnderASuccessor,
    CloseKeyHitsOneInSetUp,
    CloseAllHitsOneInSetUp,
    LiveInTwoRegistries,
    TwoStepsUndone,
}

/// The least share of the schedules that contain it, in percent.
const SHARES: [(Event, usize); 18] = [
    (Event::JoinsWhereAnotherIsVisible, 20),
    (Event::JoinsWhereAnotherIsInSetUp, 25),
    (Event::ReplacesAnother, 4),
    (Event::TakeOverWaits, 3),
    (Event::TakeOverIsCompleteLater, 1),
    (Event::RefusedByTheCap, 20),
    (Event::RefusedByTheDrain, 5),
    (Event::RefusedUnderAKey, 10),
    (Event::ClosedInAStep, 10),
    (Event::DroppedInAStep, 10),
    (Event::ClosedBetweenTwoSteps, 30),
    (Event::GoesLiveAfterTheClose, 20),
    (Event::ClosedAgain, 25),
    (Event::StaleCloseUnderASuccessor, 5),
    (Event::CloseKeyHitsOneInSetUp, 5),
    (Event::CloseAllHitsOneInSetUp, 5),
    (Event::LiveInTwoRegistries, 15),
    (Event::TwoStepsUndone, 5),
];

/// The conflicts in one schedule.
#[derive(Default)]
struct Story {
    events: BTreeSet<Event>,
    places: BTreeMap<usize, Vec<Place>>,
    in_step: BTreeSet<usize>,
    draining: BTreeSet<usize>,
}

impl Story {
    fn of(shape: &Shape, schedule: &Schedule) -> BTreeSet<Event> {
        let (mut story, mut after) = (Self::default(), Reference::new(shape));
        for op in schedule.ops() {
            let before = after.clone();
            let outcome = after.apply(*op);
            story.by_op(*op, outcome, &before, &after);
            story.by_state(*op, &before, &after);
            story.follow(*op, outcome);
        }
        story.events
    }

    fn by_op(&mut self, op: Op, outcome: Outcome, before: &Reference, after: &Reference) {
        let is_closed = |who| before.state(who).is_some_and(State::is_closed);
        let all_under = |at: Place| {
            let holders = self
                .places
                .iter()
                .filter(move |(_, held)| held.contains(&at));
            holders.map(|(who, _)| before.state(*who).unwrap())
        };
        let held_by = |who| self.places.get(&who).into_iter().flatten();
        let seen = match (op, outcome) {
            (Op::Open(_, scope), Outcome::Refused) if self.draining.contains(&scope) => {
                vec![Event::RefusedByTheDrain]
            }
            (Op::Open(..), Outcome::Refused) => vec![Event::RefusedByTheCap],
            (Op::Join(_, at), outcome) => {
                let refused = (outcome == Outcome::Refused).then_some(Event::RefusedUnderAKey);
                let visible = all_under(at).any(State::is_live);
                let visible = visible.then_some(Event::JoinsWhereAnotherIsVisible);
                let in_set_up = all_under(at).any(|state| state == State::Registering);
                let in_set_up = in_set_up.then_some(Event::JoinsWhereAnotherIsInSetUp);
                refused
                    .into_iter()
                    .chain(visible)
                    .chain(in_set_up)
                    .collect()
            }
            (Op::TakeOver(..), Outcome::Waits) => vec![Event::TakeOverWaits],
            (Op::Poll(_), Outcome::Done) => vec![Event::TakeOverIsCompleteLater],
            (Op::GoLive(_), Outcome::Closed) => vec![Event::GoesLiveAfterTheClose],
            (Op::GoLive(who), _) => {
                let two = (held_by(who).count() > 1).then_some(Event::LiveInTwoRegistries);
                let mut gone = held_by(who).flat_map(|at| before.visible(*at));
                let replaces = gone.any(|who| after.state(who).unwrap().is_closed());
                let replaces = replaces.then_some(Event::ReplacesAnother);
                two.into_iter().chain(replaces).collect()
            }
            (Op::Close(who, _) | Op::Drop(who), outcome) if is_closed(who) => {
                let again = (outcome == Outcome::Closed).then_some(Event::ClosedAgain);
                let stale = held_by(who).any(|at| !before.visible(*at).is_empty());
                let stale = stale.then_some(Event::StaleCloseUnderASuccessor);
                again.into_iter().chain(stale).collect()
            }
            _ => Vec::new(),
        };
        self.events.extend(seen);
    }

    fn by_state(&mut self, op: Op, before: &Reference, after: &Reference) {
        let mut who = 0;
        while let Some(state) = after.state(who) {
            let closes = state.is_closed() && before.state(who) == Some(State::Registering);
            self.events.extend(match (op, self.in_step.contains(&who)) {
                _ if !closes => None,
                (Op::Drop(_), true) => Some(Event::DroppedInAStep),
                (_, true) => Some(Event::ClosedInAStep),
                (Op::CloseKey(..), _) => Some(Event::CloseKeyHitsOneInSetUp),
                (Op::CloseAll(..), _) => Some(Event::CloseAllHitsOneInSetUp),
                (_, false) => Some(Event::ClosedBetweenTwoSteps),
            });
            if after.undone(who).is_some_and(|undone| undone.len() > 1) {
                self.events.insert(Event::TwoStepsUndone);
            }
            who += 1;
        }
    }

    fn follow(&mut self, op: Op, outcome: Outcome) {
        match (op, outcome) {
            (Op::Join(who, at), Outcome::Done)
            | (Op::TakeOver(who, at), Outcome::Done | Outcome::Waits) => {
                self.places.entry(who).or_default().push(at);
            }
            (Op::BeginStep(who), Outcome::Waits) => {
                self.in_step.insert(who);
            }
            (Op::CompleteStep(who) | Op::Drop(who), _) | (Op::Poll(who), Outcome::Closed) => {
                self.in_step.remove(&who);
            }
            (Op::Cancel(who), _) if !self.in_step.remove(&who) => {
                self.places.entry(who).or_default().pop();
            }
            (Op::BeginDrain(scope), _) => {
                self.draining.insert(scope);
            }
            _ => {}
        }
    }
}

#[test]
fn schedules_contain_every_conflict() {
    let shape = shape();
    let mut counts = BTreeMap::new();
    let schedules = count(500, 1000);
    for schedule in drawn(&shape, schedules) {
        for event in Story::of(&shape, &schedule) {
            *counts.entry(event).or_insert(0) += 1;
        }
    }
    let share = |event| 100 * counts.get(&event).copied().unwrap_or(0) / schedules;
    let shares = SHARES.map(|(event, at_least)| (event, share(event), at_least));
    assert!(
        shares.iter().all(|(_, share, at_least)| share >= at_least),
        "{shares:?}"
    );
}

#[test]
fn every_kind_is_drawn_unless_it_is_not_offered() {
    let kinds = |shape: &Shape| {
        let ops = drawn(shape, count(100, 1000)).flat_map(|schedule| schedule.ops().to_vec());
        ops.map(Op::kind).collect::<BTreeSet<_>>()
    };
    let all = kinds(&shape());
    assert_eq!(all.len(), 14);
    for kind in &all {
        if !matches!(kind, Kind::Open | Kind::Drop) {
            let others = kinds(&shape().without([*kind]));
            assert!(!others.contains(kind), "{kind:?}");
        }
    }
    let only = kinds(&shape().only([Kind::Close]));
    assert!(only.into_iter().eq([Kind::Open, Kind::Close, Kind::Drop]));
}

#[test]
fn schedules_have_every_length_of_the_shape() {
    let shape = shape().length(5..=9);
    let lengths: BTreeSet<_> = drawn(&shape, 200)
        .map(|schedule| schedule.ops().len())
        .collect();
    assert!(lengths.into_iter().eq(5..=9));
}

#[test]
fn schedules_respect_the_number_of_connections() {
    let shape = shape().connections(2).scopes([None]);
    for schedule in drawn(&shape, count(200, 1000)) {
        let (mut open, mut most) = (0_usize, 0);
        let mut reference = Reference::new(&shape);
        for op in schedule.ops() {
            let outcome = reference.apply(*op);
            match op.kind() {
                Kind::Open if outcome == Outcome::Done => open += 1,
                Kind::Register | Kind::GoLive if outcome == Outcome::Closed => open -= 1,
                Kind::Drop => open -= 1,
                _ => {}
            }
            most = most.max(open);
        }
        assert!(most <= 2, "{schedule}");
    }
}

/// The verdicts are arbitrary.
#[test]
fn shrinking_keeps_schedules_valid_and_ends() {
    let (shape, mut runner) = (shape().several_keys(), runner(1, 2));
    for case in 0..count(100, 200) {
        let mut tree = shape.schedules().new_tree(&mut runner).unwrap();
        let mut failing = tree.current();
        let mut goes_on = tree.simplify();
        let mut tried = 0;
        while goes_on {
            let tries = tree.current();
            let again = Schedule::new(&shape, tries.ops().iter().copied());
            assert_eq!(again.as_ref(), Ok(&tries));
            assert!(tries.ops().len() <= failing.ops().len());
            assert_ne!(tries, failing, "that is known already");
            // A schedule fails if its length is a multiple of a number that depends on
            // the case, or at random.
            let fails = tries.ops().len() % (case % 7 + 2) == 0
                || (0..5_u32).new_tree(&mut runner).unwrap().current() == 0;
            goes_on = if fails {
                failing = tries;
                tree.simplify()
            } else {
                tree.complicate()
            };
            tried += 1;
            assert!(tried < 10_000, "it does not end");
        }
        assert_eq!(tree.current(), failing, "the smallest that failed is left");
    }
}

#[test]
fn large_parts_are_removed_first_from_the_end() {
    let schedules = Shape::new().length(60..=60).schedules();
    let mut tree = schedules.new_tree(&mut runner(1, 4)).unwrap();
    let length = |tree: &dyn ValueTree<Value = Schedule>| tree.current().ops().len();
    assert_eq!(length(&tree), 60);
    assert!(tree.simplify());
    assert_eq!(length(&tree), 30);
    // The failure needs both halves.
    assert!(tree.complicate() && tree.complicate());
    assert_eq!(length(&tree), 45);
}

/// If a failure needs one operation, the rest is removed.
#[test]
fn irrelevant_operations_are_removed() {
    let shape = shape().length(40..=40);
    for (kind, at_most) in [
        (Kind::Open, 1),
        (Kind::Register, 2),
        (Kind::Join, 3),
        (Kind::TakeOver, 3),
        (Kind::CompleteStep, 4),
        (Kind::Poll, 4),
        (Kind::Cancel, 4),
        (Kind::GoLive, 3),
        (Kind::CloseKey, 1),
        (Kind::BeginDrain, 1),
    ] {
        let ran = runner(256, 3).run(&shape.schedules(), |schedule| {
            let has_it = schedule.ops().iter().any(|op| op.kind() == kind);
            prop_assert!(!has_it);
            Ok(())
        });
        let Err(TestError::Fail(_, schedule)) = ran else {
            panic!("{kind:?} was not drawn");
        };
        assert_eq!(schedule.ops().len(), at_most, "{schedule}");
        let plain = Place {
            registry: 0,
            key: 0,
        };
        for op in schedule.ops() {
            match op {
                Op::Open(who, scope) => assert_eq!((*who, *scope), (0, 0)),
                Op::Join(_, at) | Op::TakeOver(_, at) => assert_eq!(*at, plain),
                Op::CloseKey(at, why) => assert_eq!((*at, *why), (plain, CloseReason::Aborted)),
                _ => {}
            }
        }
    }
}

#[test]
fn irrelevant_arguments_are_simplified() {
    let shape = Shape::new().only([Kind::CloseKey]);
    let keys = |schedule: &Schedule| {
        let ops = schedule.ops().iter();
        let keys = ops.filter_map(|op| match op {
            Op::CloseKey(at, _) => Some(at.key),
            _ => None,
        });
        keys.collect::<Vec<_>>()
    };
    for seed in 0..8 {
        // The failure needs three operations, two of them on the second key.
        let ran = runner(256, seed).run(&shape.schedules(), |schedule| {
            let keys = keys(&schedule);
            prop_assert!(keys.len() < 3 || keys.iter().sum::<usize>() < 2);
            Ok(())
        });
        let Err(TestError::Fail(_, schedule)) = ran else {
            panic!("it was not drawn");
        };
        let keys = keys(&schedule);
        assert_eq!(
            (keys.len(), keys.iter().sum::<usize>()),
            (3, 2),
            "{schedule}"
        );
    }
}

#[test]
fn a_printed_schedule_can_be_pasted() {
    let at = Place {
        registry: 0,
        key: 1,
    };
    let ops = [
        Op::Open(0, 0),
        Op::Register(0),
        Op::Join(0, at),
        Op::Close(0, CloseReason::App(7)),
        Op::CloseKey(at, CloseReason::Aborted),
    ];
    let schedule = Schedule::new(&shape(), ops).unwrap();
    let expected = "[
    Op::Open(0, 0),
    Op::Register(0),
    Op::Join(0, Place { registry: 0, key: 1 }),
    Op::Close(0, CloseReason::App(7)),
    Op::CloseKey(Place { registry: 0, key: 1 }, CloseReason::Aborted),
]";
    assert_eq!(format!("{schedule:?}"), expected);
    let expected = "   1. connection 0 opens in scope 0
   2. connection 0 registers
   3. connection 0 joins under key 1 of registry 0
   4. connection 0 is closed: app(7)
   5. all under key 1 of registry 0 are closed: aborted
";
    assert_eq!(schedule.to_string(), expected);
}

#[test]
fn an_operation_out_of_turn_is_an_error() {
    let (open, register) = (Op::Open(0, 0), Op::Register(0));
    let place = |registry, key| Place { registry, key };
    for (ops, number) in [
        (vec![register], 1),
        (vec![Op::Open(1, 0)], 1),
        (vec![Op::Open(0, 2)], 1),
        (vec![open, open], 2),
        (vec![open, Op::GoLive(0)], 2),
        (vec![open, Op::Close(1, CloseReason::Idle)], 2),
        (vec![open, register, Op::Join(0, place(3, 0))], 3),
        (vec![open, register, Op::Join(0, place(0, 2))], 3),
        (vec![open, register, Op::CompleteStep(0)], 3),
        (vec![open, Op::Drop(0), Op::Drop(0)], 3),
    ] {
        let error = Schedule::new(&shape(), ops).unwrap_err();
        assert_eq!(error.number, number, "{error}");
    }
}

#[test]
fn keys_outside_of_the_shape_are_errors() {
    let ops = |key| {
        let at = Place { registry: 0, key };
        [Op::Open(0, 0), Op::Register(0), Op::Join(0, at)]
    };
    assert!(Schedule::new(&shape().keys(3), ops(2)).is_ok());
    assert!(Schedule::new(&shape().keys(1), ops(1)).is_err());
}

#[test]
fn a_connection_holds_one_key_of_a_registry_unless_the_shape_says_several() {
    let join = |key| Op::Join(0, Place { registry: 0, key });
    let ops = [Op::Open(0, 0), Op::Register(0), join(0), join(1)];
    assert_eq!(Schedule::new(&shape(), ops).unwrap_err().number, 4);
    assert!(Schedule::new(&shape().several_keys(), ops).is_ok());
}
