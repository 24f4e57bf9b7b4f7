//! The comparison of a manager with the reference.

use std::fmt;

use super::difference::Difference;
use super::manager::Manager;
use super::op::{Kind, Op, Outcome};
use super::reference::Reference;
use super::sequence::Schedule;
use super::suspect::suspect;
use crate::race::Race;

/// The manager and the reference differ.
///
/// Its `Display` contains the suspected race, the observed and the expected value, and
/// the operations so far, one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Divergence {
    /// The race that the difference suggests, if it suggests one.
    pub race: Option<Race>,
    /// The operations so far. The difference shows after the last one.
    pub done: Vec<Op>,
    difference: Difference,
}

/// Runs `schedule` on `manager` and compares it with the reference after each operation.
///
/// After the schedule, the remaining owners are dropped, so that leaks show. `manager`
/// must be new: a schedule starts without connections.
///
/// # Errors
///
/// Returns [`Divergence`] at the first operation after which they differ.
pub fn check<M>(schedule: &Schedule, manager: &mut M) -> Result<(), Divergence>
where
    M: Manager + ?Sized,
{
    let mut reference = Reference::new(&schedule.shape);
    let mut done = Vec::new();
    for op in &schedule.ops {
        step(*op, &mut reference, manager, &mut done)?;
    }
    for who in reference.owners() {
        step(Op::Drop(who), &mut reference, manager, &mut done)?;
    }
    Ok(())
}

fn step<M>(
    op: Op,
    reference: &mut Reference,
    manager: &mut M,
    done: &mut Vec<Op>,
) -> Result<(), Divergence>
where
    M: Manager + ?Sized,
{
    done.push(op);
    let outcomes = (manager.apply(op), reference.apply(op));
    let Some(difference) = find(op, outcomes, reference, manager) else {
        return Ok(());
    };
    let mut before = Reference::new(reference.shape());
    for earlier in &done[..done.len() - 1] {
        before.apply(*earlier);
    }
    Err(Divergence {
        race: suspect(&difference, op, &before, reference, manager),
        done: std::mem::take(done),
        difference,
    })
}

/// The outcome is compared first, since it is nearest to the cause.
fn find<M>(
    op: Op,
    (seen, expected): (Outcome, Outcome),
    reference: &Reference,
    manager: &M,
) -> Option<Difference>
where
    M: Manager + ?Sized,
{
    if !accepts(op, seen, expected) {
        return Some(Difference::Outcome(seen, expected));
    }
    let shape = reference.shape();
    let visible = shape.places().find_map(|at| {
        let mut seen = manager.visible(at);
        seen.sort_unstable();
        let (seen, expected) = differ(Some(seen), Some(reference.visible(at)))?;
        Some(Difference::Visible(at, seen, expected))
    });
    let counts = || {
        (0..shape.scopes.len()).find_map(|scope| {
            let (seen, expected) = differ(manager.count(scope), reference.count(scope))?;
            Some(Difference::Count(scope, seen, expected))
        })
    };
    let undone = || {
        reference.connections.keys().find_map(|&who| {
            let (seen, expected) = differ(manager.undone(who), reference.undone(who))?;
            Some(Difference::Undone(who, seen, expected))
        })
    };
    let states = || {
        reference.connections.keys().find_map(|&who| {
            let (seen, expected) = differ(manager.state(who), reference.state(who))?;
            Some(Difference::State(who, seen, expected))
        })
    };
    visible.or_else(counts).or_else(undone).or_else(states)
}

/// A manager may report less than the reference, or report a close later.
fn accepts(op: Op, seen: Outcome, expected: Outcome) -> bool {
    seen == expected
        || matches!(
            (op.kind(), seen, expected),
            (Kind::CompleteStep, Outcome::Done, Outcome::Closed)
                | (_, Outcome::Done, Outcome::Count(_))
        )
}

/// Returns both values if the manager has one and they differ.
fn differ<T: PartialEq>(seen: Option<T>, expected: Option<T>) -> Option<(T, T)> {
    seen.zip(expected)
        .filter(|(seen, expected)| seen != expected)
}

impl Divergence {
    /// Returns the number of the operation after which the difference shows, counted from
    /// 1.
    #[must_use]
    pub fn number(&self) -> usize {
        self.done.len()
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(race) = self.race {
            write!(f, "{race}: ")?;
        }
        write!(f, "after operation {}, {}", self.number(), self.difference)?;
        for (at, op) in self.done.iter().enumerate() {
            write!(f, "\n{:>4}. {op}", at + 1)?;
        }
        Ok(())
    }
}

impl std::error::Error for Divergence {}
