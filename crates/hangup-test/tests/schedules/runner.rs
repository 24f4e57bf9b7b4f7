//! Runs many schedules from fixed seeds, so that every run is the same.

use hangup_test::Race;
use hangup_test::schedule::{Divergence, Manager, Schedule, Shape, check};
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

const SEEDS: u8 = 8;

/// Returns `full` if `HANGUP_LONG=1` is set, or else `few`.
pub(crate) fn count(few: usize, full: usize) -> usize {
    match std::env::var("HANGUP_LONG").as_deref() {
        Ok("1") => full,
        _ => few,
    }
}

pub(crate) fn runner(cases: u32, seed: u8) -> TestRunner {
    let config = Config {
        // `PROPTEST_CASES` asks for more.
        cases: cases.max(std::env::var("PROPTEST_CASES").map_or(0, |_| Config::default().cases)),
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    TestRunner::new_with_rng(config, rng)
}

pub(crate) fn passes<M: Manager>(shape: &Shape, cases: usize, make: impl Fn() -> M) {
    let cases = u32::try_from(cases).expect("a few thousand");
    let ran = runner(cases, 0).run(&shape.schedules(), |schedule| {
        check(&schedule, &mut make())?;
        Ok(())
    });
    if let Err(TestError::Fail(why, schedule)) = ran {
        panic!("{why}\n{schedule:?}");
    }
}

/// Every seed finds a schedule. It shrinks to at most `at_most` operations, and the
/// difference suggests `race`.
pub(crate) fn finds<M: Manager>(shape: &Shape, race: Race, at_most: usize, make: impl Fn() -> M) {
    for seed in 0..SEEDS {
        let divergence = find(shape, seed, &make);
        assert_eq!(divergence.race, Some(race), "seed {seed}: {divergence}");
        assert!(divergence.number() <= at_most, "seed {seed}: {divergence}");
    }
}

/// Returns the smallest failure from this seed.
pub(crate) fn find<M: Manager>(shape: &Shape, seed: u8, make: impl Fn() -> M) -> Divergence {
    let ran = runner(256, seed).run(&shape.schedules(), |schedule| {
        check(&schedule, &mut make())?;
        Ok(())
    });
    let Err(TestError::Fail(_, schedule)) = ran else {
        panic!("nothing was found from seed {seed}");
    };
    // The printed schedule fails again.
    let again = Schedule::new(shape, schedule.ops().iter().copied()).unwrap();
    check(&again, &mut make()).unwrap_err()
}
