//! The kit finds the races of handlers as servers ship them. `cargo run -p hangup-test
//! --example races` prints the findings.

mod table;

use hangup_test::{Ending, Failure};
use table::{ROWS, Row};

fn first_of(row: &Row) -> Option<String> {
    let report = (row.by_hand)();
    let mut failures = report.failures().iter();
    let first = failures.find(|failure| failure.race() == Some(row.races[0]))?;
    Some(first.to_string())
}

#[test]
fn every_handler_that_is_written_by_hand_is_caught_and_its_race_is_named() {
    for row in ROWS {
        let report = (row.by_hand)();
        for race in row.races {
            assert!(report.races().contains(race), "{}: {report}", row.what);
        }
        assert!(first_of(&row).is_some());
        // Without interference each handler works; otherwise an ordinary test would find
        // the error.
        let undisturbed = |failure: &Failure| failure.ending().is_none();
        let seldom = report.failures().iter().any(undisturbed);
        assert_eq!(seldom, row.what.contains("permit"), "{}", row.what);
    }
}

#[test]
fn the_window_between_two_statements_is_closed_to_suspensions() {
    let report = table::without_the_point_between_two_statements();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn every_handler_that_is_written_on_hangup_is_clean_at_every_point_and_ending() {
    for row in ROWS {
        let report = (row.on_hangup)();
        assert!(report.is_clean(), "{}: {report}", row.what);
        // It was interrupted in its set-up, at the head and while it was live.
        assert!(report.points().len() >= 4, "{}: {report}", row.what);
        for ending in [
            Ending::Closed,
            Ending::Dropped,
            Ending::Panic,
            Ending::Shutdown,
        ] {
            assert!(report.endings().contains(&ending), "{}: {report}", row.what);
        }
        assert!(report.cases() >= report.points().len() * report.endings().len());
    }
}
