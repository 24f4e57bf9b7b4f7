//! The cases that were tried, and their failures.

use std::collections::BTreeSet;
use std::fmt;
use std::thread;

use crate::ending::{Case, Ending};
use crate::fault::Fault;
use crate::race::Race;

/// The cases that were tried, and their failures.
///
/// Its `Display` lists the failures, each with the command that repeats it.
#[derive(Debug, Clone)]
pub struct Report {
    points: Vec<String>,
    endings: Vec<Ending>,
    cases: usize,
    failing: usize,
    failures: Vec<Failure>,
}

/// One fault in one case.
#[derive(Debug, Clone)]
pub struct Failure {
    case: Option<Case>,
    point: usize,
    label: String,
    fault: Fault,
    race: Option<Race>,
}

/// The reason why no exploration took place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExploreError {
    /// The handler completes in its first poll, so there is no point at which to interrupt
    /// it.
    #[error(
        "the handler is never suspended, so there is no point at which to interrupt it: let its \
         environment wait at a `Trial::point`, and let the client read the response"
    )]
    NeverSuspends,
    /// A run never becomes idle.
    #[error("{} never becomes idle", match case {
        None => "the undisturbed run".to_owned(),
        Some(case) => format!("case {case}"),
    })]
    #[non_exhaustive]
    Endless {
        /// The case, or `None` for the undisturbed run.
        case: Option<String>,
    },
    /// A second run of the handler differs from the first.
    #[error("the handler did not reach point {point} again in the same way")]
    #[non_exhaustive]
    NotDeterministic {
        /// The point that was not reached in the same way.
        point: usize,
    },
    /// The exploration creates a runtime of its own, and it was called inside a runtime.
    #[error("the exploration creates a runtime and must not run inside one: use `#[test]`")]
    InsideRuntime,
    /// The requested case does not exist.
    #[error("there is no case `{case}`")]
    #[non_exhaustive]
    NoSuchCase {
        /// The requested case.
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

    /// Adds one case.
    pub(crate) fn add(&mut self, failures: Vec<Failure>) {
        self.cases += 1;
        self.failing += usize::from(!failures.is_empty());
        self.failures.extend(failures);
    }

    /// Returns the labels of the points at which the handler was interrupted. The first
    /// point is before its first poll.
    #[must_use]
    pub fn points(&self) -> &[String] {
        &self.points
    }

    /// Returns the endings that were tried at each point.
    #[must_use]
    pub fn endings(&self) -> &[Ending] {
        &self.endings
    }

    /// Returns how many cases were tried: the undisturbed run, and each ending at each
    /// point. An ending with a second connection is also tried at each point of that
    /// connection. A case with several tasks is tried in two orders.
    #[must_use]
    pub fn cases(&self) -> usize {
        self.cases
    }

    /// Returns how many cases failed.
    #[must_use]
    pub fn failing(&self) -> usize {
        self.failing
    }

    /// Returns `true` if no case failed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failing == 0
    }

    /// Returns all failures, in the order of the cases.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Returns the races that the failures name.
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

    /// Returns the fault.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Returns the race, if the observations identify one.
    #[must_use]
    pub fn race(&self) -> Option<Race> {
        self.race
    }

    /// Returns the number and the label of the point.
    #[must_use]
    pub fn point(&self) -> (usize, &str) {
        (self.point, &self.label)
    }

    /// Returns the ending, or `None` for the undisturbed run.
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
