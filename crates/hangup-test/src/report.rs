//! What was tried, and what came of it.

use std::collections::BTreeSet;
use std::fmt;
use std::thread;

use crate::ending::{Case, Ending};
use crate::fault::Fault;
use crate::race::Race;

/// What was tried, and what came of it.
///
/// `Display` tells it all; the failures first.
#[derive(Debug, Clone)]
pub struct Report {
    points: Vec<String>,
    endings: Vec<Ending>,
    cases: usize,
    failing: usize,
    failures: Vec<Failure>,
}

/// One fault, in one case.
#[derive(Debug, Clone)]
pub struct Failure {
    case: Option<Case>,
    point: usize,
    label: String,
    fault: Fault,
    race: Option<Race>,
}

/// Why nothing was found out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExploreError {
    /// The handler completes in its first poll, so there is no point at which to interrupt
    /// it.
    #[error(
        "the handler is never suspended, so it was interrupted nowhere: let its environment \
         wait at a `Trial::point`, and let the client read the response"
    )]
    NeverSuspends,
    /// A run never comes to rest.
    #[error("{} never comes to rest", match case {
        None => "the undisturbed run".to_owned(),
        Some(case) => format!("case {case}"),
    })]
    #[non_exhaustive]
    Endless {
        /// Which, or `None` for the undisturbed one.
        case: Option<String>,
    },
    /// The handler does not do the same when it is run again.
    #[error("the handler did not come to point {point} again in the same way")]
    #[non_exhaustive]
    NotDeterministic {
        /// The point that it came to before.
        point: usize,
    },
    /// It was to run on a runtime of its own, and was called within one.
    #[error("it runs a runtime of its own, and so not within one: use `#[test]`")]
    InsideRuntime,
    /// The one case that was asked for does not exist.
    #[error("there is no case `{case}`")]
    #[non_exhaustive]
    NoSuchCase {
        /// What was asked for.
        case: String,
    },
}

impl Report {
    pub(crate) fn new(points: &[String], endings: Vec<Ending>) -> Self {
        Self {
            points: points.to_vec(),
            endings,
            cases: 0,
            failing: 0,
            failures: Vec::new(),
        }
    }

    /// One more case.
    pub(crate) fn add(&mut self, failures: Vec<Failure>) {
        self.cases += 1;
        self.failing += usize::from(!failures.is_empty());
        self.failures.extend(failures);
    }

    /// The points at which the handler was interrupted, by label; the first is before it is
    /// polled at all.
    #[must_use]
    pub fn points(&self) -> &[String] {
        &self.points
    }

    /// What happened at each of them.
    #[must_use]
    pub fn endings(&self) -> &[Ending] {
        &self.endings
    }

    /// How many cases were tried: one undisturbed, and each ending at each point; those
    /// with a second connection also at each of that one's own points, and where there are
    /// several tasks, each in two orders.
    #[must_use]
    pub fn cases(&self) -> usize {
        self.cases
    }

    /// In how many of them something was wrong.
    #[must_use]
    pub fn failing(&self) -> usize {
        self.failing
    }

    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failing == 0
    }

    /// All that was wrong, in the order of the cases.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// The races that showed themselves.
    #[must_use]
    pub fn races(&self) -> BTreeSet<Race> {
        self.failures.iter().filter_map(Failure::race).collect()
    }
}

impl Failure {
    pub(crate) fn new(
        case: Option<Case>,
        point: usize,
        label: String,
        fault: Fault,
        race: Option<Race>,
    ) -> Self {
        Self {
            case,
            point,
            label,
            fault,
            race,
        }
    }

    /// What is wrong.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Which race it is, as far as that can be told from outside.
    #[must_use]
    pub fn race(&self) -> Option<Race> {
        self.race
    }

    /// The number of the point, and its label.
    #[must_use]
    pub fn point(&self) -> (usize, &str) {
        (self.point, &self.label)
    }

    /// What happened there, or `None` if nothing did.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.case.as_ref().map(|case| &case.ending)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(race) = self.race {
            write!(f, "{race}: ")?;
        }
        write!(f, "{}", self.fault)?;
        match &self.case {
            None => write!(f, "; undisturbed"),
            Some(case) => {
                let (ending, point, label) = (&case.ending, self.point, &self.label);
                write!(f, "; {ending} at point {point}, `{label}`")
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endings: Vec<_> = self.endings.iter().map(Ending::to_string).collect();
        writeln!(
            f,
            "{} of {} cases fail: {} points, and at each of them: {}",
            self.failing,
            self.cases,
            self.points.len(),
            endings.join(", ")
        )?;
        let mut told: Vec<&Failure> = Vec::new();
        for failure in &self.failures {
            let is_same =
                |other: &&Failure| (other.race, &other.fault) == (failure.race, &failure.fault);
            if told.iter().any(&is_same) {
                continue;
            }
            told.push(failure);
            writeln!(f, "- {failure}")?;
            if let Some(case) = &failure.case {
                let thread = thread::current();
                let test = thread.name().filter(|name| *name != "main").unwrap_or("");
                writeln!(f, "  alone: HANGUP_CASE='{case}' cargo test {test}")?;
            }
            let cases = self.failures.iter().filter(is_same).count();
            if cases > 1 {
                writeln!(f, "  likewise in {} more", cases - 1)?;
            }
        }
        Ok(())
    }
}
