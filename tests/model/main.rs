//! The whole crate against a plain reference: random operations on a few connections,
//! keys and registries, one after the other, and after each of them all that can be
//! seen is what the reference expects.
//!
//! This is about what holds in every order of events. What holds when they overlap is
//! in `tests/loom` and `tests/stress`.

mod case;
mod op;
mod real;
mod reference;
mod seen;
mod waiting;

use std::panic::{AssertUnwindSafe, catch_unwind};

use case::{Case, cases};
use op::{KEYS, Op, POLICIES, SLOTS};
use proptest::test_runner::{Config, TestCaseResult, TestError, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use real::Real;
use reference::Reference;
use seen::Hook;

/// `PROPTEST_CASES` asks for more.
const CASES: u32 = 600;

#[test]
fn every_operation_does_what_the_reference_does() {
    let mut runner = TestRunner::new(Config {
        cases: CASES.max(Config::default().cases),
        // Left to `minimal`: an operation taken out here gives others to other owners.
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Config::default()
    });
    match runner.run(&cases(), |case| run(&case)) {
        Ok(()) => {}
        Err(TestError::Fail(_, case)) => {
            let case = minimal(case);
            // First, since what fails may be a panic.
            eprintln!("{case:?}");
            panic!("{}", run(&case).expect_err("it failed before"));
        }
        Err(error) => panic!("{error}"),
    }
}

/// Takes out whatever it fails without.
fn minimal(mut case: Case) -> Case {
    let mut at = 0;
    while at < case.ops.len() {
        let op = case.ops.remove(at);
        if fails(&case) {
            at = 0;
        } else {
            case.ops.insert(at, op);
            at += 1;
        }
    }
    case
}

fn fails(case: &Case) -> bool {
    let run = catch_unwind(AssertUnwindSafe(|| run(case)));
    !matches!(run, Ok(Ok(())))
}

fn run(case: &Case) -> TestCaseResult {
    let mut world = World {
        real: Real::new(case.max_connections),
        reference: Reference::new(case.max_connections),
    };
    for op in &case.ops {
        world.apply(*op)?;
    }
    for slot in 0..SLOTS {
        world.apply(Op::DropOwner(slot))?;
    }
    world.assert_nothing_is_left()
}

struct World {
    real: Real,
    reference: Reference,
}

impl World {
    fn apply(&mut self, op: Op) -> TestCaseResult {
        let outcome = self.real.apply(op);
        let expected = self.reference.apply(op);
        prop_assert_eq!(outcome, expected, "returned by {:?}", op);
        let (seen, expected) = (self.real.seen(), self.reference.seen());
        if seen != expected {
            let differences = seen.differences(&expected).join("\n  ");
            prop_assert!(false, "after {op:?}:\n  {differences}");
        }
        for slot in 0..SLOTS {
            if self.reference.must_be_woken(slot) {
                prop_assert!(self.real.is_woken(slot), "{slot} sleeps on after {op:?}");
            }
        }
        for (policy, key) in POLICIES.into_iter().flat_map(|p| KEYS.map(|k| (p, k))) {
            let last_close = self.real.last_close(policy, key);
            let expected = self.reference.last_closes(policy, key);
            prop_assert!(
                expected.contains(&last_close),
                "after {op:?}: the last close under {key} of {policy:?} is {last_close:?}, \
                 not one of {expected:?}"
            );
        }
        Ok(())
    }

    fn assert_nothing_is_left(&self) -> TestCaseResult {
        let seen = self.real.seen();
        prop_assert!(seen.scope.handles.is_empty());
        for registry in seen.registries {
            prop_assert!(registry.is_empty);
            for under in registry.under.into_values() {
                let mut turns = [Hook::First, Hook::Last].into_iter().cycle();
                prop_assert!(under.hooks.len() % 2 == 0, "{under:?}");
                prop_assert!(under.hooks.iter().all(|hook| Some(*hook) == turns.next()));
            }
        }
        for connection in seen.connections {
            prop_assert!(connection.settled.is_some());
        }
        prop_assert_eq!(self.real.values(), 0, "values are left");
        Ok(())
    }
}
