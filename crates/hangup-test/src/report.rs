//! The cases that were tried, and their failures.

use std::collections::BTreeSet;
use std::fmt;
use std::thread;

use crate::advice::advice;
use crate::ending::{Case, Ending};
use crate::fault::Fault;
use crate::hint::Hint;
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
    not_repeated: Vec<NotRepeated>,
    hints: Vec<Hint>,
}

/// A case that could not be tried: run after run, the handler did not come to its point in
/// the same way.
///
/// Its `Display` contains the labels that differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRepeated {
    case: String,
    point: usize,
    expected: String,
    seen: Option<String>,
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
            not_repeated: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// Adds one case.
    pub(crate) fn add(&mut self, failures: Vec<Failure>) {
        self.cases += 1;
        self.failing += usize::from(!failures.is_empty());
        self.failures.extend(failures);
    }

    pub(crate) fn add_not_repeated(&mut self, case: NotRepeated) {
        self.not_repeated.push(case);
    }

    pub(crate) fn add_hint(&mut self, hint: Option<Hint>) {
        self.hints.extend(hint);
    }

    /// Returns the cases that failed.
    pub(crate) fn failing_cases(&self) -> impl Iterator<Item = &Case> {
        let cases = self.failures.iter().filter_map(Failure::case);
        let mut last = None;
        // The failures of a case follow each other.
        cases.filter(move |case| last.replace(*case) != Some(*case))
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
    /// connection. A case in which more than one task is woken at a time is tried in two orders.
    #[must_use]
    pub fn cases(&self) -> usize {
        self.cases
    }

    /// Returns how many cases failed.
    #[must_use]
    pub fn failing(&self) -> usize {
        self.failing
    }

    /// Returns `true` if all cases could be tried and none failed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failing == 0 && self.not_repeated.is_empty()
    }

    /// Returns the cases that could not be tried.
    ///
    /// A handler has to come to each point as it did before. The usual causes that it does
    /// not: `tokio::select!` without `biased;`, which begins at a random branch; the order of
    /// a `HashMap`; a number or an id that outlives the run, in a label; `Instant::now()` in a
    /// condition.
    #[must_use]
    pub fn not_repeated(&self) -> &[NotRepeated] {
        &self.not_repeated
    }

    /// Returns what may have caused failures although the handler is correct.
    #[must_use]
    pub fn hints(&self) -> &[Hint] {
        &self.hints
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

    pub(crate) fn case(&self) -> Option<&Case> {
        self.case.as_ref()
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

    /// Returns what the author of the handler can do about it, in one line.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        advice(&self.fault, self.race)
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

impl NotRepeated {
    pub(crate) fn new(case: String, point: usize, expected: String, seen: Option<String>) -> Self {
        Self {
            case,
            point,
            expected,
            seen,
        }
    }

    /// Returns the case, as [`only`](crate::AbortEverywhere::only) takes it.
    #[must_use]
    pub fn case(&self) -> &str {
        &self.case
    }

    /// Returns the number of the point that differs, and its label in the undisturbed run.
    #[must_use]
    pub fn expected(&self) -> (usize, &str) {
        (self.point, &self.expected)
    }

    /// Returns the label that the point had this time. `None` if the handler did not come
    /// so far.
    #[must_use]
    pub fn seen(&self) -> Option<&str> {
        self.seen.as_deref()
    }

    /// Returns `true` if the labels differ in numbers only.
    fn differs_in_numbers(&self) -> bool {
        let letters = |label: &str| label.replace(|it: char| it.is_ascii_digit(), "");
        let seen = self.seen.as_deref().map(letters);
        seen.is_some_and(|seen| seen == letters(&self.expected))
    }
}

impl fmt::Display for NotRepeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (point, expected) = (self.point, &self.expected);
        write!(f, "case {}: point {point} is `{expected}`, and ", self.case)?;
        match &self.seen {
            None => f.write_str("another run ends or waits before it")?,
            Some(seen) => write!(f, "`{seen}` in another run")?,
        }
        if self.differs_in_numbers() {
            f.write_str(" (a clock, or a number that outlives the run)")?;
        }
        Ok(())
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
            writeln!(f, "  fix: {}", failure.advice())?;
        }
        if let [first, ..] = &self.not_repeated[..] {
            writeln!(
                f,
                "{} cases could not be tried, since the handler does not repeat itself: {first}; \
                 the usual causes: `tokio::select!` without `biased;`, the order of a `HashMap`, \
                 an id in a label, `Instant::now()` in a condition",
                self.not_repeated.len()
            )?;
        }
        for hint in &self.hints {
            writeln!(f, "hint: {hint}")?;
        }
        Ok(())
    }
}
