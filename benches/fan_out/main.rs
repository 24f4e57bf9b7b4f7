//! What it costs the processor to bring an item to many, beside what people use today: in CPU
//! time and in instructions, neither of which knows of other processes.
//!
//! `cargo run --profile bench -p hangup-benches --bin fan_out` prints both, `-- PART...` the rows
//! whose names contain one of these, `-- --json` an object on each line. What each row is stands
//! in `benches/README.md`.

#[path = "../peers/row.rs"]
mod row;
mod clock;
mod contest;
mod server;
mod rounds;
mod instructions;

use std::env;

use contest::{CONTESTS, Contest};
use instructions::Counter;
use row::{Printer, Row};

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", row, side] => server::serve(row, side),
        ["count", row, side] => instructions::run(row, side),
        _ => print(&arguments),
    }
}

fn print(arguments: &[String]) {
    let printer = Printer::asked_for(arguments).unwrap_or(Printer::Table);
    let parts: Vec<_> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    let wanted = |row: &str| parts.is_empty() || parts.iter().any(|part| row.contains(*part));
    let print_each =
        |unit: &str, suffix: &str, measure: &mut dyn FnMut(&Contest) -> Option<Row>| {
            let named = |contest: &&Contest| wanted(&format!("{}{suffix}", contest.name));
            let mut contests = CONTESTS.iter().filter(named).peekable();
            if contests.peek().is_some() {
                printer.print_header(unit);
            }
            for mut row in contests.filter_map(measure) {
                row.name.push_str(suffix);
                printer.print(&row);
            }
        };
    print_each("ns of CPU", "", &mut |contest| {
        Some(rounds::compare(contest))
    });
    match Counter::new() {
        Some(mut counter) => print_each("instructions", "_instructions", &mut |contest| {
            counter.compare(contest)
        }),
        None => eprintln!("instructions are not counted: that takes valgrind"),
    }
}
