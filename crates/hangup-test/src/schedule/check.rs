//! Running a schedule on a manager beside the reference.

use std::fmt;

use super::difference::Difference;
use super::manager::Manager;
use super::op::{Kind, Op, Outcome};
use super::reference::Reference;
use super::sequence::Schedule;
use super::suspect::suspect;
use crate::race::Race;

/// A manager did not do what the reference does.
///
/// It is displayed as the race, if one is suspected; what was seen and what was expected;
/// and the operations up to there, one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Divergence {
    /// The race that this looks like, if it looks like one.
    pub race: Option<Race>,
    /// The operations that were done, up to the one after which it shows.
    pub done: Vec<Op>,
    difference: Difference,
}

/// Runs `schedule` on `manager`, and compares what it does and shows with the reference,
/// after each operation.
///
/// In the end all owners that are left are dropped, so that whatever leaks shows. `manager`
/// should be new: each schedule begins with nothing.
///
/// # Errors
///
/// [`Divergence`] at the first operation after which they differ.
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

/// What was returned first, since it is nearest to the cause.
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

/// Some managers say less than the reference, or later.
fn accepts(op: Op, seen: Outcome, expected: Outcome) -> bool {
    seen == expected
        || matches!(
            (op.kind(), seen, expected),
            (Kind::CompleteStep, Outcome::Done, Outcome::Closed)
                | (_, Outcome::Done, Outcome::Count(_))
        )
}

/// Both, if the manager answers and they are not the same.
fn differ<T: PartialEq>(seen: Option<T>, expected: Option<T>) -> Option<(T, T)> {
    seen.zip(expected)
        .filter(|(seen, expected)| seen != expected)
}

impl Divergence {
    /// The number of the operation after which it shows, counted from 1.
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
