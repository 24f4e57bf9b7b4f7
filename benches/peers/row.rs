//! A line of the table.

use std::io::{self, Write};

/// What a measure found: less is better.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) ours: f64,
    pub(crate) peer: f64,
    pub(crate) ratio: f64,
}

#[derive(Clone, Copy)]
pub(crate) enum Printer {
    Table,
    Json,
}

impl Printer {
    /// How the short form is printed, if it is that which is asked for.
    pub(crate) fn asked_for(arguments: &[String]) -> Option<Self> {
        let has = |flag| arguments.iter().any(|it| it == flag);
        match (has("--json"), has("--table")) {
            (true, _) => Some(Self::Json),
            (false, true) => Some(Self::Table),
            (false, false) => None,
        }
    }

    pub(crate) fn print_header(self, unit: &str) {
        if let Self::Table = self {
            let (name, ours, peer) = ("name", format!("ours [{unit}]"), format!("peer [{unit}]"));
            line(&format!("{name:<34}{ours:>20}{peer:>20}{:>9}", "ratio"));
        }
    }

    pub(crate) fn print(self, row: &Row) {
        let Row {
            name,
            ours,
            peer,
            ratio,
        } = row;
        line(&match self {
            Self::Table => format!("{name:<34}{ours:>20.2}{peer:>20.2}{ratio:>9.3}"),
            Self::Json => format!(
                r#"{{"name": "{name}", "ours": {ours:.4}, "peer": {peer:.4}, "ratio": {ratio:.4}}}"#
            ),
        });
    }
}

/// At once, for who looks on and for the order among processes.
fn line(text: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).unwrap();
}
