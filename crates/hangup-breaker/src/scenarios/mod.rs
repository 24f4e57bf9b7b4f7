//! What is broken on purpose, one scenario per file: each begins with servers of its own.
//!
//! A scenario waits for conditions, each with a deadline. Where it sleeps, the time is what it is
//! about: for how long a process is stopped, a link is cut, or an engine is away.

mod take_overs;
mod free;
mod opens;
mod kill;
mod stop;
mod partition;
mod cut;
mod restart;
mod away;
mod forgetful;
mod replicas;
mod drain;
mod events;
mod undo;
mod cost;
mod idle;

use std::pin::Pin;

use crate::failure::Failure;
use crate::report::Rows;
use crate::stage::Lab;

/// A scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// What it is called, and chosen by.
    pub name: &'static str,
    run: for<'a> fn(&'a Lab, &'a mut Rows) -> Running<'a>,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

macro_rules! scenarios {
    ($($name:literal => $run:path,)*) => {
        &[$(Scenario { name: $name, run: |lab, rows| Box::pin($run(lab, rows)) },)*]
    };
}

/// All scenarios, in the order of the table.
pub const ALL: &[Scenario] = scenarios! {
    "60 take-overs between two nodes" => take_overs::run,
    "claims of free keys" => free::run,
    "2,000 opens of 20 keys over three nodes, a tenth hangs up" => opens::run,
    "kill -9 of A with 50 workers" => kill::run,
    "stop A for 4.7 s" => stop::run,
    "partition of A, close" => partition::close,
    "partition of A, hold 60 s" => partition::hold,
    "cut in the middle of 20 claims" => cut::run,
    "engine kill -9, back after 0.5 s" => restart::run,
    "engine away for 9 s, close" => away::close,
    "engine away for 9 s, hold 60 s" => away::hold,
    "engine forgets everything" => forgetful::run,
    "engine forgets everything, B comes at once" => forgetful::at_once,
    "three servers, each killed in turn, hold 60 s" => replicas::run,
    "drain of A with 200 workers" => drain::run,
    "5,000 events, hops between three nodes" => events::hops,
    "5,000 events, the engine killed in the middle" => events::killed,
    "5,000 events, forgotten in the middle" => events::forgotten,
    "undo longer than its deadline" => undo::given_up,
    "undo longer than the deadline of the drain" => undo::drained,
    "a claim against one compare-and-swap" => cost::run,
    "100,000 idle claims" => idle::run,
};

impl Scenario {
    /// Whether one of `words` is in its name; or there is none.
    #[must_use]
    pub fn is_meant(&self, words: &[String]) -> bool {
        words.is_empty() || words.iter().any(|word| self.name.contains(&word[..]))
    }

    /// Runs it. Its rows tell also if it did not come to its end.
    pub async fn run(self, lab: &Lab) -> Rows {
        let lab = lab.clone();
        let mut rows = Rows::of(self.name);
        // In a task, so that a panic of an engine that does not start is a row.
        let ran = tokio::spawn(async move {
            let ran = (self.run)(&lab, &mut rows).await;
            if let Err(failure) = ran {
                rows.fail(failure.to_string());
            }
            rows
        });
        ran.await.unwrap_or_else(|panic| {
            let mut rows = Rows::of(self.name);
            rows.fail(panic.to_string());
            rows
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn a_scenario_is_chosen_by_a_word() {
        let meant = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(ToString::to_string).collect();
            ALL.iter()
                .filter(|scenario| scenario.is_meant(&words))
                .count()
        };
        assert_eq!(meant(&[]), ALL.len());
        assert_eq!(meant(&["partition"]), 2);
        assert_eq!(meant(&["partition", "kill -9"]), 4);
        assert_eq!(meant(&["no such word"]), 0);
    }
}
