//! The shrinking of failing schedules.

use hangup::CloseReason;
use proptest::strategy::ValueTree;

use super::op::Op;
use super::sequence::Schedule;
use super::shape::Shape;

/// Simplest first.
pub(super) const REASONS: [CloseReason; 3] = [
    CloseReason::Aborted,
    CloseReason::Shutdown,
    CloseReason::App(7),
];

/// Tries edits until none of them leaves a schedule that fails.
#[derive(Debug)]
pub(super) struct Shrinking {
    shape: Shape,
    /// The smallest schedule that fails.
    failing: Vec<Op>,
    current: Vec<Op>,
    /// The index in the list of edits. After a success the list is new, but most edits
    /// that failed before fail again.
    at: usize,
    /// How many edits in a row did not help.
    in_vain: usize,
}

#[derive(Debug, Clone, Copy)]
enum Edit {
    /// Removes operations, and those that depend on them.
    Cut { at: usize, many: usize },
    /// Swaps an operation with the one before it, if operations of older connections move
    /// forward. The connections interleave less, and of two connections with exchangeable
    /// roles one comes first.
    Swap { at: usize },
    /// Changes one operation, or all that share the name.
    Rename { at: Option<usize>, name: Name },
}

#[derive(Debug, Clone, Copy)]
enum Name {
    Registry(usize),
    Key(usize),
    Scope(usize),
    Reason,
    Join,
}

impl Shrinking {
    pub(super) fn new(shape: Shape, ops: Vec<Op>) -> Self {
        Self {
            shape,
            failing: ops.clone(),
            current: ops,
            at: 0,
            in_vain: 0,
        }
    }

    /// Advances to the next edit that changes the schedule.
    fn advance(&mut self) -> bool {
        let edits = self.edits();
        while self.in_vain != edits.len() {
            let edit = edits[self.at % edits.len()];
            self.at += 1;
            self.in_vain += 1;
            let edited = Schedule::meaningful(&self.shape, edit.apply(&self.failing));
            let is_simpler = match edit {
                Edit::Swap { .. } => turns(&edited) < turns(&self.failing),
                Edit::Cut { .. } | Edit::Rename { .. } => edited != self.failing,
            };
            if is_simpler {
                self.current = edited;
                return true;
            }
        }
        self.current.clone_from(&self.failing);
        false
    }

    /// Large cuts come first, from the end: a failure does not depend on what follows it.
    fn edits(&self) -> Vec<Edit> {
        let length = self.failing.len();
        let half = |many: &usize| (*many > 1).then_some(many / 2);
        let sizes = std::iter::successors(Some((length / 2).max(1)), half);
        let cuts = sizes.flat_map(|many| {
            let starts = (0..length).step_by(many).rev();
            starts.map(move |at| Edit::Cut { at, many })
        });
        let everywhere = [None].into_iter();
        let renames = everywhere.chain((0..length).map(Some)).flat_map(|at| {
            let registries = (1..self.shape.registries.len()).map(Name::Registry);
            let keys = (1..self.shape.keys).map(Name::Key);
            let scopes = (1..self.shape.scopes.len()).map(Name::Scope);
            let names = registries.chain(keys).chain(scopes);
            let names = names.chain([Name::Reason, Name::Join]);
            names.map(move |name| Edit::Rename { at, name })
        });
        let swaps = (1..length).map(|at| Edit::Swap { at });
        cuts.chain(swaps).chain(renames).collect()
    }
}

impl ValueTree for Shrinking {
    type Value = Schedule;

    fn current(&self) -> Schedule {
        Schedule {
            shape: self.shape.clone(),
            ops: self.current.clone(),
        }
    }

    fn simplify(&mut self) -> bool {
        self.failing.clone_from(&self.current);
        self.in_vain = 0;
        self.advance()
    }

    fn complicate(&mut self) -> bool {
        self.advance()
    }
}

impl Edit {
    fn apply(self, ops: &[Op]) -> Vec<Op> {
        let mut ops = ops.to_vec();
        match self {
            Self::Cut { at, many } => {
                let end = (at + many).min(ops.len());
                ops.drain(at.min(end)..end);
            }
            Self::Swap { at } => ops.swap(at - 1, at),
            Self::Rename { at, name } => {
                let ops = ops.iter_mut().enumerate();
                let renamed = ops.filter(|(number, _)| at.is_none_or(|at| at == *number));
                renamed.for_each(|(_, op)| name.simplify(op));
            }
        }
        ops
    }
}

impl Name {
    /// Lowers by one, so that shrinking ends.
    fn simplify(self, op: &mut Op) {
        match (self, *op) {
            (Self::Registry(from), _) => lower(op.place_mut().map(|at| &mut at.registry), from),
            (Self::Key(from), _) => lower(op.place_mut().map(|at| &mut at.key), from),
            (Self::Scope(from), _) => lower(op.scope_mut(), from),
            (Self::Reason, _) => op
                .reason_mut()
                .into_iter()
                .for_each(|why| *why = REASONS[0]),
            (Self::Join, Op::TakeOver(who, at)) => *op = Op::Join(who, at),
            (Self::Join, _) => {}
        }
    }
}

/// The connections in the order of their turns. Fewer turns are simpler.
fn turns(ops: &[Op]) -> (usize, Vec<usize>) {
    let turns = ops.iter().map(|op| op.connection().unwrap_or(usize::MAX));
    (ops.len(), turns.collect())
}

fn lower(number: Option<&mut usize>, from: usize) {
    if let Some(number) = number.filter(|number| **number == from) {
        *number -= 1;
    }
}
