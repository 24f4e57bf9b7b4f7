//! What was seen, with the limit of each figure, as a table.

use std::fmt::{self, Write as _};
use std::time::Duration;

/// A figure of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The scenario.
    pub scenario: String,
    /// What was measured or counted.
    pub figure: String,
    /// What it is.
    pub value: Value,
    /// What it may be.
    pub limit: Limit,
}

/// A value of a [`Row`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// How many.
    Count(u64),
    /// How long.
    Time(Duration),
    /// Something to read.
    Words(String),
    /// A scenario that did not come to its end, and why.
    Failed(String),
}

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// This many, neither more nor less.
    Exactly(u64),
    /// This many or fewer.
    AtMost(u64),
    /// This many or more.
    AtLeast(u64),
    /// So long or shorter.
    Within(Duration),
    /// It is told, and is no limit.
    Told,
}

impl Row {
    /// Whether the value is within its limit.
    #[must_use]
    pub fn is_met(&self) -> bool {
        match (&self.value, self.limit) {
            (Value::Failed(_), _) => false,
            (_, Limit::Told) => true,
            (Value::Count(count), Limit::Exactly(limit)) => *count == limit,
            (Value::Count(count), Limit::AtMost(limit)) => *count <= limit,
            (Value::Count(count), Limit::AtLeast(limit)) => *count >= limit,
            (Value::Time(time), Limit::Within(limit)) => *time <= limit,
            // What cannot be compared is not met.
            (Value::Count(_) | Value::Time(_) | Value::Words(_), _) => false,
        }
    }
}

/// The rows of one scenario.
#[derive(Debug, Clone)]
pub struct Rows {
    scenario: String,
    rows: Vec<Row>,
}

impl Rows {
    /// No row yet.
    #[must_use]
    pub fn of(scenario: impl Into<String>) -> Self {
        Self {
            scenario: scenario.into(),
            rows: Vec::new(),
        }
    }

    /// Adds a number.
    pub fn count(&mut self, figure: impl Into<String>, count: impl TryInto<u64>, limit: Limit) {
        let count = count.try_into().unwrap_or(u64::MAX);
        self.add(figure.into(), Value::Count(count), limit);
    }

    /// Adds a time.
    pub fn time(&mut self, figure: impl Into<String>, time: Duration, limit: Limit) {
        self.add(figure.into(), Value::Time(time), limit);
    }

    /// Adds something to read.
    pub fn tell(&mut self, figure: impl Into<String>, words: impl Into<String>) {
        self.add(figure.into(), Value::Words(words.into()), Limit::Told);
    }

    /// Adds that the scenario did not come to its end, and why.
    pub fn fail(&mut self, why: impl Into<String>) {
        self.add(
            "came to its end".to_owned(),
            Value::Failed(why.into()),
            Limit::Told,
        );
    }

    /// The rows, in their order.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    fn add(&mut self, figure: String, value: Value, limit: Limit) {
        self.rows.push(Row {
            scenario: self.scenario.clone(),
            figure,
            value,
            limit,
        });
    }
}

/// Times of one kind.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// The longest one, or zero if there is none.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.0.iter().max().copied().unwrap_or_default()
    }

    /// The one that `percent` of them are at most as long as, or zero if there is none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(at).copied().unwrap_or_default()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Duration> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        Self(times.into_iter().collect())
    }
}

impl Extend<Duration> for Times {
    fn extend<I: IntoIterator<Item = Duration>>(&mut self, times: I) {
        self.0.extend(times);
    }
}

/// The rows of all scenarios, with a column for each engine.
#[derive(Debug, Default)]
pub struct Table {
    engines: Vec<String>,
    rows: Vec<(Row, Vec<Option<Row>>)>,
}

impl Table {
    /// Adds what a scenario has seen on `engine`.
    pub fn add(&mut self, engine: &str, rows: &Rows) {
        let column = self.engines.iter().position(|it| it == engine);
        let column = column.unwrap_or_else(|| {
            self.engines.push(engine.to_owned());
            self.engines.len() - 1
        });
        let mut behind = self.rows.len();
        for row in rows.rows() {
            let same = |(other, _): &(Row, _)| {
                other.scenario == row.scenario
                    && other.figure == row.figure
                    && other.limit == row.limit
            };
            let at = self.rows.iter().position(same).unwrap_or_else(|| {
                self.rows.insert(behind, (row.clone(), Vec::new()));
                behind
            });
            behind = at + 1;
            let cells = &mut self.rows[at].1;
            cells.resize(cells.len().max(column + 1), None);
            cells[column] = Some(row.clone());
        }
    }

    /// How many figures are worse than their limits.
    #[must_use]
    pub fn unmet(&self) -> usize {
        let cells = self.rows.iter().flat_map(|(_, cells)| cells).flatten();
        cells.filter(|row| !row.is_met()).count()
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Time(time) if *time >= Duration::from_secs(1) => {
                write!(f, "{:.2} s", time.as_secs_f64())
            }
            Self::Time(time) if *time >= Duration::from_millis(1) => {
                write!(f, "{:.2} ms", time.as_secs_f64() * 1000.0)
            }
            Self::Time(time) => write!(f, "{} us", time.as_micros()),
            Self::Words(words) => words.fmt(f),
            Self::Failed(why) => write!(f, "no: {why}"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(limit) => limit.fmt(f),
            Self::AtMost(limit) => write!(f, "<= {limit}"),
            Self::AtLeast(limit) => write!(f, ">= {limit}"),
            Self::Within(limit) => write!(f, "<= {}", Value::Time(*limit)),
            Self::Told => f.write_str("told"),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut head = vec![
            "scenario".to_owned(),
            "figure".to_owned(),
            "limit".to_owned(),
        ];
        head.extend(self.engines.iter().cloned());
        let mut lines = vec![head];
        let mut scenario = "";
        for (row, cells) in &self.rows {
            let is_same = std::mem::replace(&mut scenario, &row.scenario) == row.scenario;
            let name = if is_same { "" } else { &row.scenario };
            let mut line = vec![name.to_owned(), row.figure.clone(), row.limit.to_string()];
            line.extend((0..self.engines.len()).map(|at| match cells.get(at) {
                Some(Some(row)) if row.is_met() => row.value.to_string(),
                Some(Some(row)) => format!("WORSE: {}", row.value),
                Some(None) | None => "-".to_owned(),
            }));
            for cell in &mut line {
                *cell = cell.replace('\n', " / ").replace('|', "\\|");
            }
            lines.push(line);
        }
        let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max();
        let widths: Vec<_> = (0..lines[0].len()).filter_map(width).collect();
        for (number, line) in lines.iter().enumerate() {
            let mut text = String::new();
            for (cell, width) in line.iter().zip(&widths) {
                write!(text, "| {cell:width$} ")?;
            }
            writeln!(f, "{text}|")?;
            if number == 0 {
                let rules = widths.iter().map(|width| "-".repeat(width + 2));
                writeln!(f, "|{}|", rules.collect::<Vec<_>>().join("|"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Limit, Rows, Table, Times};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_row_is_met_within_its_limit_only() {
        let mut rows = Rows::of("s");
        for (count, limit) in [
            (0, Limit::Exactly(0)),
            (5, Limit::AtMost(5)),
            (5, Limit::AtLeast(5)),
            (7, Limit::Told),
        ] {
            rows.count("f", count, limit);
        }
        rows.time("f", ms(5), Limit::Within(ms(5)));
        assert!(rows.rows().iter().all(super::Row::is_met));

        let mut rows = Rows::of("s");
        rows.count("f", 1_u64, Limit::Exactly(0));
        rows.count("f", 0_u64, Limit::Exactly(1));
        rows.count("f", 6_u64, Limit::AtMost(5));
        rows.count("f", 4_u64, Limit::AtLeast(5));
        rows.time("f", ms(6), Limit::Within(ms(5)));
        rows.time("f", ms(1), Limit::Exactly(1));
        rows.fail("an engine that does not start");
        assert!(!rows.rows().iter().any(super::Row::is_met));
    }

    #[test]
    fn percentiles_are_of_the_times_that_there_are() {
        let times: Times = (1..=200).rev().map(ms).collect();
        assert_eq!(times.percentile(50), ms(100));
        assert_eq!(times.percentile(99), ms(198));
        assert_eq!(times.longest(), ms(200));
        assert_eq!(Times::default().percentile(50), ms(0));
        assert_eq!(Times::from_iter([ms(3)]).percentile(99), ms(3));
    }

    #[test]
    fn a_table_has_a_column_for_each_engine_and_tells_what_is_worse() {
        let mut table = Table::default();
        let mut rows = Rows::of("kill");
        rows.count("overlaps", 0_u64, Limit::Exactly(0));
        rows.time("live", ms(2500), Limit::Within(ms(3300)));
        table.add("NATS", &rows);
        assert_eq!(table.unmet(), 0);
        let mut rows = Rows::of("kill");
        rows.count("overlaps", 3_u64, Limit::Exactly(0));
        rows.tell("late", "a | b");
        rows.time("live", ms(2), Limit::Within(ms(3300)));
        table.add("Redis", &rows);
        assert_eq!(table.unmet(), 1);
        let expected = "\
| scenario | figure   | limit     | NATS   | Redis    |
|----------|----------|-----------|--------|----------|
| kill     | overlaps | 0         | 0      | WORSE: 3 |
|          | late     | told      | -      | a \\| b   |
|          | live     | <= 3.30 s | 2.50 s | 2.00 ms  |
";
        assert_eq!(table.to_string(), expected);
    }
}
