//! Compares `hangup` with the reference of `hangup_test::schedule`: after each action,
//! everything visible must be as expected.
//!
//! The actions run one after the other. The models and the stress tests of `hangup` cover
//! actions that overlap.

mod action;
mod layout;
mod seen;
mod expected;
mod waiting;
mod real;
mod case;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use action::Action;
use case::cases;
use expected::Expected;
use hangup_test::schedule::{Op, check};
use layout::{Layout, all_policies};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestError, TestRng, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use real::Real;
use seen::Hook;

/// The number of cases; ten times as many if `HANGUP_LONG=1` is set. `PROPTEST_CASES` asks
/// for more.
fn runner(cases: u32, max_shrink_iters: u32) -> TestRunner {
    let long = std::env::var_os("HANGUP_LONG").is_some_and(|value| value == "1");
    let cases = if long { cases * 10 } else { cases };
    let config = Config {
        cases: cases.max(std::env::var("PROPTEST_CASES").map_or(0, |_| Config::default().cases)),
        max_shrink_iters,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[0; 32]);
    TestRunner::new_with_rng(config, rng)
}

#[test]
fn every_action_does_what_the_reference_does() {
    // A layout that shrinks would draw another schedule, so `minimal` removes actions
    // instead.
    match runner(600, 0).run(&cases(), |case| run(&case.layout, &case.actions())) {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => {
            let actions = minimal(&case.layout, case.actions());
            let lines = actions.iter().map(|action| format!("\n    {action:?}"));
            let lines = lines.collect::<String>();
            // The last run may panic, so this is printed before it.
            eprintln!("{why}\n{:?}{lines}", case.layout);
            panic!("{:?}", run(&case.layout, &actions));
        }
        Err(error) => panic!("{error}"),
    }
}

/// Removes every action without which the rest still fails.
fn minimal(layout: &Layout, mut actions: Vec<Action>) -> Vec<Action> {
    let mut at = 0;
    while at < actions.len() {
        let mut fewer = actions.clone();
        fewer.remove(at);
        let mut expected = Expected::new(layout);
        fewer.retain(|action| {
            let can = expected.can(*action);
            if can {
                expected.apply(*action);
            }
            can
        });
        let result = catch_unwind(AssertUnwindSafe(|| run(layout, &fewer)));
        if matches!(result, Ok(Ok(()))) {
            at += 1;
        } else {
            actions = fewer;
            at = 0;
        }
    }
    actions
}

/// Every action and every failure occurs in the cases.
#[test]
fn every_action_and_every_failure_occurs() {
    let mut seen = BTreeMap::new();
    let mut runner = runner(400, u32::MAX);
    for _ in 0..400 {
        let case = cases().new_tree(&mut runner).unwrap().current();
        let mut expected = Expected::new(&case.layout);
        for action in case.actions() {
            let returned = expected.apply(action);
            let text = format!("{action:?}").replace("Plain(", "");
            let name = text.split(['(', ' ']).next().unwrap_or_default();
            *seen.entry(format!("{name} {returned:?}")).or_insert(0) += 1;
        }
    }
    for wanted in [
        "BeginStep Plain(Waits)",
        "BeginStep Plain(Closed)",
        "CompleteStep Plain(Done)",
        "CompleteStep Plain(Closed)",
        "Poll Plain(Done)",
        "Poll Plain(Waits)",
        "Poll Plain(Closed)",
        "Cancel Plain(Done)",
        "Join Plain(Done)",
        "Join Plain(Refused)",
        "Join Plain(Closed)",
        "TakeOver Plain(Done)",
        "TakeOver Plain(Waits)",
        "TakeOver Plain(Closed)",
        "TakeOver Failed(TimedOut)",
        "PassDeadline Plain(Done)",
        "PassDeadline Plain(Closed)",
        "PassDeadline Failed(TimedOut)",
        "JoinAgain Failed(AlreadyJoined)",
        "TakeOverAgain Failed(AlreadyJoined)",
        "OnClose Plain(Done)",
        "CloseByOwner Plain(Done)",
        "CloseByOwner Plain(Closed)",
        "CloseWhere Plain(Count(2))",
        "CloseKey Plain(Count(2))",
        "CloseAll Plain(Count(2))",
        "Open Plain(Refused)",
    ] {
        assert!(seen.contains_key(wanted), "no {wanted} in {seen:#?}");
    }
}

#[test]
fn hangup_is_a_manager_that_passes_every_schedule() {
    for policies in [all_policies(), vec![], vec![all_policies()[0]]] {
        let layout = Layout {
            policies,
            caps: vec![Some(3), None],
            keys: 2,
        };
        let schedules = layout.shape().schedules();
        let ran = runner(200, u32::MAX).run(&schedules, |schedule| {
            check(&schedule, &mut Real::new(&layout))?;
            Ok(())
        });
        if let Err(TestError::Fail(why, schedule)) = ran {
            panic!("{why}\n{schedule:?}");
        }
    }
}

fn run(layout: &Layout, actions: &[Action]) -> TestCaseResult {
    let mut world = World {
        layout,
        real: Real::new(layout),
        expected: Expected::new(layout),
    };
    for action in actions {
        world.act(*action)?;
    }
    let connections: Vec<_> = world.expected.connections().collect();
    for who in connections {
        let drop = Action::Plain(Op::Drop(who));
        if world.expected.can(drop) {
            world.act(drop)?;
        }
    }
    world.assert_nothing_is_left()
}

struct World<'a> {
    layout: &'a Layout,
    real: Real,
    expected: Expected,
}

impl World<'_> {
    fn act(&mut self, action: Action) -> TestCaseResult {
        let returned = self.real.act(action);
        prop_assert_eq!(returned, self.expected.apply(action), "by {:?}", action);
        let (seen, expected) = (self.real.seen(), self.expected.seen());
        prop_assert!(
            seen == expected,
            "after {action:?}:{}",
            seen.differences(&expected)
        );
        for who in self.expected.connections() {
            if self.expected.must_be_woken(who) {
                prop_assert!(self.real.is_woken(who), "{who} sleeps on after {action:?}");
            }
        }
        for at in self.layout.places() {
            let (last, expected) = (self.real.last_close(at), self.expected.last_closes(at));
            prop_assert!(
                expected.contains(&last),
                "after {action:?}: the last close under {at} is {last:?}, not one of {expected:?}"
            );
        }
        Ok(())
    }

    fn assert_nothing_is_left(&self) -> TestCaseResult {
        let seen = self.real.seen();
        prop_assert!(seen.scopes.iter().all(|scope| scope.handles.is_empty()));
        prop_assert!(seen.registries.iter().all(|registry| registry.is_empty));
        for (at, key) in &seen.keys {
            let mut turns = [Hook::First, Hook::Last].into_iter().cycle();
            prop_assert!(key.hooks.len() % 2 == 0, "{at}: {key:?}");
            prop_assert!(key.hooks.iter().all(|hook| Some(*hook) == turns.next()));
        }
        prop_assert!(seen.connections.values().all(|it| it.settled.is_some()));
        prop_assert_eq!(self.real.values(), 0, "values are left");
        Ok(())
    }
}
