//! `hangup` beside what people use today.
//!
//! `cargo bench --bench peers` is the long form, `cargo bench --bench peers -- --table` the
//! short one. What is measured, and how, is in `benches/README.md`.

mod contest;
mod entry;
mod lifecycle;
mod pairs;
mod row;
mod stream;

use std::env;
use std::process::Command;

use criterion::Criterion;

use contest::Contest;
use row::Printer;

fn contests() -> Vec<Contest> {
    let mut contests = lifecycle::contests();
    contests.extend(stream::contests());
    contests
}

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match Printer::asked_for(&arguments) {
        Some(printer) => short(printer, &arguments),
        None => long(),
    }
}

fn long() {
    let mut criterion = Criterion::default().configure_from_args();
    for contest in contests() {
        contest.run_long(&mut criterion);
    }
    criterion.final_summary();
}

/// What has no dash before it is part of the names of the measures that are wanted.
fn short(printer: Printer, arguments: &[String]) {
    let parts: Vec<_> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    let wanted = |row: &str| parts.is_empty() || parts.iter().any(|part| row.contains(*part));
    printer.print_header("ns");
    for contest in contests() {
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
        .args(["bench", "--quiet", "--locked", "--bench", "memory", "--"])
        .args(arguments)
        .status();
    assert!(status.unwrap().success(), "memory is not measured");
}
