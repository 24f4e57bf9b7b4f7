//! All rows, or those that are asked for.

use crate::contest::CONTESTS;
use crate::instructions::Counter;
use crate::row::Printer;
use crate::{cpu, kernel, latency, memory, scale, shutdown};

/// Files that a process has open beside its streams, at the most.
const OTHER_FILES: u64 = 200;

pub(crate) fn print(arguments: &[String]) {
    let has = |flag: &str| arguments.iter().any(|it| it == flag);
    let printer = if has("--json") {
        Printer::Json
    } else {
        Printer::Table
    };
    let scale = if has("--tiny") {
        &scale::TINY
    } else {
        &scale::FULL
    };
    let parts: Vec<_> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    let wanted = |row: &str| parts.is_empty() || parts.iter().any(|part| row.contains(*part));
    let most = kernel::raise_file_limit().saturating_sub(OTHER_FILES);

    let named = |suffix: &str| {
        let row = |name: &str| wanted(&format!("{name}{suffix}"));
        let rows: Vec<_> = CONTESTS.iter().filter(|it| row(it.name)).collect();
        rows
    };
    let counted = named("_instructions");
    if !counted.is_empty() {
        match Counter::new(scale) {
            Some(mut counter) => {
                printer.print_header("instructions");
                for contest in counted {
                    printer.print(&counter.compare(contest));
                }
            }
            None => eprintln!("instructions are not counted: that takes valgrind"),
        }
    }
    let timed = named("_cpu");
    if !timed.is_empty() {
        printer.print_header("ns of CPU");
    }
    for contest in timed {
        printer.print(&cpu::compare(contest, scale));
    }
    let idle: Vec<_> = memory::CONTESTS
        .iter()
        .filter(|it| wanted(it.name))
        .collect();
    if !idle.is_empty() {
        printer.print_header("bytes");
    }
    for contest in idle {
        let streams = scale.idle.min(most);
        printer.print(&memory::compare(contest, streams, scale.idle_rounds));
    }
    let of = |name: &str| wanted(&format!("{name}_farewells")) || wanted(&format!("{name}_ended"));
    let ended: Vec<_> = shutdown::CONTESTS.iter().filter(|it| of(it.name)).collect();
    if !ended.is_empty() {
        printer.print_header("ms");
    }
    for contest in ended {
        for row in shutdown::compare(contest, scale) {
            printer.print(&row);
        }
    }
    if wanted("e2e_publish_p50") || wanted("e2e_publish_p99") {
        printer.print_header("us");
        for row in latency::compare(scale) {
            printer.print(&row);
        }
    }
}
