//! `hangup` beside what people use today.
//!
//! `cargo bench -p hangup-benches --bench peers` is the long form, with `-- --table` the short
//! one. What is measured, and how, is in `benches/README.md`.

mod careful;
mod close_all;
mod contended;
mod contest;
mod entry;
mod fan_out;
mod lifecycle;
mod pairs;
mod row;
mod servers;
mod side;
mod stream;
mod transitions;
mod two_threads;

use std::env;
use std::process::Command;

use criterion::Criterion;

use contest::Contest;
use row::Printer;
use servers::RESIDENTS;

const MILLION: u64 = 1_000_000;

fn contests(largest_crowd: u64) -> Vec<Contest> {
    [
        lifecycle::contests(),
        transitions::contests(),
        stream::contests(),
        contended::contests(),
        close_all::contests(largest_crowd),
        fan_out::contests(largest_crowd),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match Printer::asked_for(&arguments) {
        Some(printer) => short(printer, &arguments),
        // As criterion itself takes it: `cargo test` only looks whether it runs.
        None => long(arguments.iter().any(|it| it == "--bench")),
    }
}

fn long(measures: bool) {
    let mut criterion = Criterion::default().configure_from_args();
    let largest_crowd = if measures { MILLION } else { 100 };
    for contest in contests(largest_crowd) {
        contest.run_long(&mut criterion);
    }
    criterion.final_summary();
}

/// What has no dash before it is part of the names of the measures that are wanted.
fn short(printer: Printer, arguments: &[String]) {
    let parts: Vec<_> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    let wanted = |row: &str| parts.is_empty() || parts.iter().any(|part| row.contains(*part));
    printer.print_header("ns");
    for contest in contests(MILLION) {
        contest.run_short(&wanted, |row| printer.print(row));
    }
    measure_memory(arguments);
}

/// The counting allocator slows whatever allocates, so it is not in this process.
fn measure_memory(arguments: &[String]) {
    // Without cargo there is no telling whether what it would build is what runs here.
    let Some(cargo) = env::var_os("CARGO") else {
        eprintln!("memory is not measured: that takes `cargo bench`");
        return;
    };
    let arguments = arguments.iter().filter(|it| *it != "--bench");
    let status = Command::new(cargo)
        .args([
            "bench",
            "--quiet",
            "--locked",
            "-p",
            "hangup-benches",
            "--bench",
            "memory",
            "--",
        ])
        .args(arguments)
        .status();
    assert!(status.unwrap().success(), "memory is not measured");
}
