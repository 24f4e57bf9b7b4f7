//! A run of the bench, with the smallest counts.

use std::process::Command;

#[test]
fn every_row_has_both_sides() {
    let bench = env!("CARGO_BIN_EXE_hangup-e2e");
    let ran = Command::new(bench).args(["--json", "--tiny"]).output();
    let ran = ran.unwrap();
    let (out, log) = (
        String::from_utf8(ran.stdout).unwrap(),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(ran.status.success(), "{out}{log}");
    let works = [
        "e2e_churn",
        "e2e_open_stop",
        "e2e_delivery_mpsc",
        "e2e_delivery_broadcast",
        "e2e_delivery_topic",
        "e2e_delivery_topic_vs_mpsc",
    ];
    let is_counted = !log.contains("that takes valgrind");
    let counted = works
        .iter()
        .filter(|_| is_counted)
        .map(|it| format!("{it}_instructions"));
    let timed = works.iter().map(|it| format!("{it}_cpu"));
    let others = [
        "e2e_rss_idle",
        "e2e_rss_idle_topic",
        "e2e_shutdown_farewells",
        "e2e_shutdown_ended",
        "e2e_shutdown_at_once_farewells",
        "e2e_shutdown_at_once_ended",
        "e2e_publish_p50",
        "e2e_publish_p99",
    ];
    let wanted = counted.chain(timed).chain(others.map(str::to_owned));
    let rows: Vec<_> = out.lines().map(read_row).collect();
    let names: Vec<_> = rows.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, wanted.collect::<Vec<_>>());
    for (name, numbers) in rows {
        assert!(numbers.iter().all(|it| *it > 0.0), "{name}: {numbers:?}");
    }
}

/// The name, and ours, the peer's and the ratio.
fn read_row(line: &str) -> (String, [f64; 3]) {
    let field = |name: &str| {
        let (_, rest) = line.split_once(&format!("\"{name}\": ")).expect(line);
        rest.split([',', '}'])
            .next()
            .unwrap()
            .trim_matches('"')
            .to_owned()
    };
    let numbers = ["ours", "peer", "ratio"].map(|it| field(it).parse().unwrap());
    (field("name"), numbers)
}
