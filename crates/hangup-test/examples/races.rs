//! The races that the kit finds in hand-written handlers, and the same handlers on
//! `hangup`.
//!
//! ```sh
//! cargo run -p hangup-test --example races
//! ```

#[path = "../tests/corpus/table/mod.rs"]
mod table;

use table::ROWS;

fn main() {
    println!("{:<44} {:>15}  {:>15}", "", "by hand", "on hangup");
    println!(
        "{:<44} {:>7} {:>7}  {:>7} {:>7}  races, and the first failure",
        "handler", "cases", "fail", "cases", "fail"
    );
    let mut failing = 0;
    for row in ROWS {
        let (by_hand, on_hangup) = ((row.by_hand)(), (row.on_hangup)());
        let races: Vec<_> = row.races.iter().map(|race| format!("{race:?}")).collect();
        println!(
            "{:<44} {:>7} {:>7}  {:>7} {:>7}  {}",
            row.what,
            by_hand.cases(),
            by_hand.failing(),
            on_hangup.cases(),
            on_hangup.failing(),
            races.join(", ")
        );
        for race in row.races {
            let mut failures = by_hand.failures().iter();
            if let Some(first) = failures.find(|failure| failure.race() == Some(*race)) {
                println!("  {first}");
            }
        }
        failing += on_hangup.failing();
    }
    let blind = table::without_the_point_between_two_statements();
    println!(
        "\nWithout a `Trial::here` in the handler of R26, {} of its {} cases fail.",
        blind.failing(),
        blind.cases()
    );
    std::process::exit(i32::from(failing > 0));
}
