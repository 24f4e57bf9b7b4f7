//! How a check went.

use std::fmt;

use hangup::topic::Cursor;

use crate::engine::{EngineError, Record};

/// How a check went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The engine does what is asked.
    Passed,
    /// It was not looked at, and why: the subject does not offer what the check needs.
    Skipped(String),
    /// What the engine does, and what was asked.
    Failed(String),
}

impl Outcome {
    /// Whether it is [`Failed`](Self::Failed).
    #[must_use]
    pub const fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Skipped(why) => write!(f, "skipped: {why}"),
            Self::Failed(why) => write!(f, "FAILED: {why}"),
        }
    }
}

/// The outcomes of all checks, in their order.
#[derive(Debug, Clone)]
#[must_use]
pub struct Report {
    /// The name of each check, and how it went.
    pub outcomes: Vec<(&'static str, Outcome)>,
}

impl Report {
    /// Whether no check has failed.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        !self.outcomes.iter().any(|(_, outcome)| outcome.is_failed())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, outcome) in &self.outcomes {
            writeln!(f, "{name}: {outcome}")?;
        }
        Ok(())
    }
}

/// Bytes, as they are told: the texts that the checks write, and not too much of them.
pub(super) struct Text<'a>(pub(super) &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 80;
        let (shown, more) = self.0.split_at(self.0.len().min(SHOWN));
        write!(f, "{:?}", String::from_utf8_lossy(shown))?;
        if more.is_empty() {
            Ok(())
        } else {
            write!(f, " and {} bytes more", more.len())
        }
    }
}

/// A record, or that there is none.
pub(super) struct Found<'a>(pub(super) Option<&'a Record>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(record) => write!(f, "{} of revision {}", Text(&record.value), record.revision),
            None => f.write_str("no record"),
        }
    }
}

/// An item and its cursor.
pub(super) struct Item<'a>(pub(super) &'a (Cursor, Vec<u8>));

impl fmt::Display for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", Text(&self.0.1), self.0.0)
    }
}

/// Why a check ends before its end.
#[derive(Debug)]
pub(super) enum Stop {
    Skipped(String),
    Failed(String),
}

pub(super) type Checked<T = ()> = Result<T, Stop>;

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Self::Failed(format!("a call fails without a fault: {error}"))
    }
}

impl From<Checked> for Outcome {
    fn from(checked: Checked) -> Self {
        match checked {
            Ok(()) => Self::Passed,
            Err(Stop::Skipped(why)) => Self::Skipped(why),
            Err(Stop::Failed(why)) => Self::Failed(why),
        }
    }
}

/// Fails the check, saying what was found, unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            return Err($crate::conformance::outcome::Stop::Failed(format!($($why)+)));
        }
    };
}

pub(super) use ensure;
