//! Schedules: sequences of operations, each of which can be done when its turn comes.

use std::collections::BTreeMap;
use std::fmt;

use super::manager::Manager;
use super::op::{Kind, Op};
use super::reference::Reference;
use super::shape::Shape;

/// A sequence of operations on the connections of one manager. Each can be done when its
/// turn comes.
///
/// [`Shape::schedules`] draws schedules, and [`Schedule::new`] creates one from
/// operations. `Debug` prints a form that can be pasted into `new`, and `Display` prints
/// sentences.
#[derive(Clone, PartialEq, Eq)]
pub struct Schedule {
    pub(super) shape: Shape,
    pub(super) ops: Vec<Op>,
}

/// An operation cannot be done when its turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("operation {number} cannot be done: {op}")]
#[non_exhaustive]
pub struct OutOfTurn {
    /// Its number, counted from 1.
    pub number: usize,
    /// The operation.
    pub op: Op,
}

impl Schedule {
    /// Creates the schedule of these operations.
    ///
    /// # Errors
    ///
    /// Returns [`OutOfTurn`] if an operation cannot be done when its turn comes, or is
    /// not of this shape: see [`Reference::can`].
    ///
    /// # Examples
    ///
    /// ```
    /// use hangup_test::schedule::{Op, Reference, Schedule, Shape, check};
    ///
    /// let shape = Shape::new();
    /// let ops = [Op::Open(0, 0), Op::Register(0), Op::GoLive(0)];
    /// let schedule = Schedule::new(&shape, ops)?;
    /// assert_eq!(schedule.to_string().lines().count(), 3);
    /// check(&schedule, &mut Reference::new(&shape))?;
    ///
    /// let early = Schedule::new(&shape, [Op::GoLive(0)]);
    /// assert_eq!(early.unwrap_err().number, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(shape: &Shape, ops: impl IntoIterator<Item = Op>) -> Result<Self, OutOfTurn> {
        let ops: Vec<_> = ops.into_iter().collect();
        let mut reference = Reference::new(shape);
        for (at, op) in ops.iter().enumerate() {
            if !reference.can(*op) {
                return Err(OutOfTurn {
                    number: at + 1,
                    op: *op,
                });
            }
            reference.apply(*op);
        }
        Ok(Self {
            shape: shape.clone(),
            ops,
        })
    }

    /// Returns the operations in their order.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Returns `ops` without those that cannot be done. Operations of removed connections
    /// are removed and the other connections are renumbered, so the rest keeps its
    /// meaning.
    pub(super) fn meaningful(shape: &Shape, mut ops: Vec<Op>) -> Vec<Op> {
        let mut reference = Reference::new(shape);
        let mut numbers = BTreeMap::new();
        ops.retain_mut(|op| {
            let opens = op.kind() == Kind::Open;
            if let Some(number) = op.connection_mut() {
                if opens {
                    numbers.insert(*number, reference.opened);
                }
                let Some(new) = numbers.get(number) else {
                    return false;
                };
                *number = *new;
            }
            let can = reference.can(*op);
            if can {
                reference.apply(*op);
            }
            can
        });
        ops
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[\n")?;
        for op in &self.ops {
            let mut text = format!("{op:?}");
            if let Some(why) = op.clone().reason_mut() {
                let why = format!("{why:?}");
                text = text.replace(&why, &format!("CloseReason::{why}"));
            }
            writeln!(f, "    Op::{text},")?;
        }
        f.write_str("]")
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, op) in self.ops.iter().enumerate() {
            writeln!(f, "{:>4}. {op}", at + 1)?;
        }
        Ok(())
    }
}
