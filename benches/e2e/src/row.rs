//! A line of the table.

use std::io::{self, Write};

/// What a measure found: less is better.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) ours: f64,
    pub(crate) peer: f64,
    pub(crate) ratio: f64,
    /// The most that the ratio is to be.
    pub(crate) goal: Option<f64>,
}

#[derive(Clone, Copy)]
pub(crate) enum Printer {
    Table,
    Json,
}

impl Printer {
    pub(crate) fn print_header(self, unit: &str) {
        if let Self::Table = self {
            let (ours, peer) = (format!("ours [{unit}]"), format!("peer [{unit}]"));
            line(&format!(
                "{:<42}{ours:>21}{peer:>21}{:>8}{:>7}",
                "name", "ratio", "goal"
            ));
        }
    }

    pub(crate) fn print(self, row: &Row) {
        let Row {
            name,
            ours,
            peer,
            ratio,
            goal,
        } = row;
        line(&match self {
            Self::Table => {
                let goal = goal.map_or_else(String::new, |goal| format!("{goal:.2}"));
                format!("{name:<42}{ours:>21.1}{peer:>21.1}{ratio:>8.3}{goal:>7}")
            }
            Self::Json => {
                let goal = goal.map_or_else(|| "null".to_owned(), |goal| goal.to_string());
                format!(
                    r#"{{"name": "{name}", "ours": {ours:.4}, "peer": {peer:.4}, "ratio": {ratio:.4}, "goal": {goal}}}"#
                )
            }
        });
    }
}

/// At once, for who looks on and for the order among processes.
fn line(text: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).unwrap();
}
