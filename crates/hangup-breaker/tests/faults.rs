//! Does the breaker tell a node with a fault from one without?

use std::path::PathBuf;

use hangup_breaker::engine::Kind;
use hangup_breaker::report::{Rows, Value};
use hangup_breaker::scenarios::ALL;
use hangup_breaker::stage::Lab;

async fn run(scenario: &str, fault: Option<&str>) -> Rows {
    let more = fault.map(|fault| ["--fault".to_owned(), fault.to_owned()]);
    let lab = Lab {
        gateway: PathBuf::from(env!("CARGO_BIN_EXE_faulty-node")),
        more: more.into_iter().flatten().collect(),
        kind: Kind::Redis,
        is_long: false,
    };
    let words = [scenario.to_owned()];
    let mut meant = ALL.iter().filter(|it| it.is_meant(&words));
    let scenario = meant.next().expect("a scenario of this name");
    assert!(meant.next().is_none(), "one scenario of this name");
    scenario.run(&lab).await
}

/// The figures that are worse than their limits. Times are none of them: this machine may be busy.
fn worse(rows: &Rows) -> Vec<&str> {
    let unmet = rows.rows().iter().filter(|row| !row.is_met());
    unmet
        .filter(|row| !matches!(row.value, Value::Time(_)))
        .map(|row| &row.figure[..])
        .collect()
}

const SCENARIOS: [&str; 4] = [
    "take-overs",
    "kill -9 of A",
    "stop A",
    "partition of A, close",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_fault_meets_all_limits() {
    for scenario in SCENARIOS {
        let rows = run(scenario, None).await;
        assert_eq!(worse(&rows), [""; 0], "{scenario}: {rows:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_claims_nothing_is_caught() {
    let rows = run("kill -9 of A", Some("unclaimed")).await;
    assert_eq!(worse(&rows), ["told unsettled", "overlaps"], "{rows:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_acts_without_its_lease_is_caught() {
    let rows = run("stop A", Some("ungated")).await;
    let late = "late writes that reach the resource";
    assert_eq!(worse(&rows), [late], "{rows:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hands_over_before_its_undo_has_ended_is_caught() {
    let rows = run("take-overs", Some("hasty")).await;
    let worse = worse(&rows);
    assert!(worse.contains(&"overlaps"), "{rows:#?}");
}
