//! An engine that breaks a rule fails the checks of that rule.

use std::collections::BTreeSet;
use std::time::Duration;

use super::flaw::{FLAWS, Flaw};
use super::flawed::FlawedSubject;
use crate::conformance::{Doing, Node, Outcome, Subject, Timing, checks, passes, run};
use crate::memory::Memory;

#[tokio::test(start_paused = true)]
async fn without_a_flaw_it_passes() {
    let report = run(&FlawedSubject::new(Flaw::None)).await;
    assert!(report.is_passed(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn every_flaw_fails_its_checks() {
    let mut missed = Vec::new();
    for (flaw, names) in FLAWS {
        for name in *names {
            let check = checks().iter().find(|check| check.name() == *name);
            let check = check.unwrap_or_else(|| panic!("there is no check {name}"));
            let outcome = check.run(&FlawedSubject::new(*flaw)).await;
            if !outcome.is_failed() {
                missed.push((flaw, *name, outcome));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn every_check_is_failed_by_a_flaw() {
    let failed: BTreeSet<_> = FLAWS.iter().flat_map(|(_, names)| *names).collect();
    let all = checks().iter();
    let missed: Vec<_> = all
        .filter(|check| !failed.contains(&check.name()))
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "names_are_kept_apart: FAILED")]
async fn a_test_of_a_check_fails_with_it() {
    passes("names_are_kept_apart", &FlawedSubject::new(Flaw::NamesCut)).await;
}

/// An engine of claims alone, and nothing else is offered.
struct ClaimsAlone(Memory);

impl Subject for ClaimsAlone {
    fn node(&self) -> Doing<'_, Node> {
        let node = Node::default().claims(self.0.link());
        Box::pin(async { Ok(node) })
    }

    fn timing(&self) -> Timing {
        Timing::new(Duration::from_secs(1))
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_offered_is_skipped_and_told() {
    let report = run(&ClaimsAlone(Memory::on_current().unwrap())).await;
    assert!(report.is_passed(), "{report}");
    let passed = report.outcomes.iter();
    let passed = passed.filter(|(_, outcome)| *outcome == Outcome::Passed);
    assert_eq!(passed.count(), 17, "{report}");
    let text = report.to_string();
    for line in [
        "contention_loses_no_write: passed",
        "a_value_that_is_too_large_is_told: skipped: its largest value is not known",
        "hints_arrive_once_and_in_order: skipped: the engine has no hints",
        "no_item_is_lost_at_the_seam: skipped: the engine has no log",
        "records_outlive_a_restart: skipped: no restart is offered",
        "revisions_ascend_when_all_is_forgotten: skipped: it cannot be made to forget",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}
