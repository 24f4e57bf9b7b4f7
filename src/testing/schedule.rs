//! Interleavings of several connections, for a connection manager of one's own.
//!
//! What closes one connection while another is being set up under the same key is seldom
//! tried by hand. A [`Schedule`] is such an order of events, spelled in the terms of the
//! [state machine](crate::State): connections open, join registries under keys, wait in
//! steps of their set-up, go live, and are closed from anywhere at any point. [`check()`]
//! runs it on a [`Manager`], whether that is built on this crate or not, and compares what
//! it does and shows with a [`Reference`], after each operation. If they differ,
//! the [`Divergence`] names the operation, and the [race](super::Race) where it can tell.
//!
//! # A guide
//!
//! 1. Say in a [`Shape`] what there is: which operations the manager offers, how many
//!    keys, registries with their policies, and scopes with their caps.
//! 2. Write a [`Manager`]: one method that does an operation, one that says who is
//!    visible. What else it lets be seen is looked at too: counts, undone steps, states.
//! 3. Have [`Shape::schedules`] drawn by proptest 1, and [`check()`] each on a new manager.
//! 4. What fails shrinks to a handful of operations. Paste it into a test of its own with
//!    [`Schedule::new`].
//!
//! Each operation is done to its end, or to where it waits, before the next one begins:
//! this finds what is wrong in some order of events. It does not find data races.
//!
//! # Example
//!
//! A table with one entry per user, where a reconnect replaces the old connection. When
//! that one's transport notices, its cleanup removes the entry under the key: the new one.
//!
//! ```
//! use std::collections::HashMap;
//! use hangup::testing::Race;
//! use hangup::testing::schedule::{Kind, Manager, Op, Outcome, Place, Shape, check};
//! use proptest::test_runner::{Config, TestError, TestRunner};
//!
//! #[derive(Default)]
//! struct Users {
//!     by_user: HashMap<usize, usize>,
//!     user_of: HashMap<usize, usize>,
//! }
//!
//! impl Manager for Users {
//!     fn apply(&mut self, op: Op) -> Outcome {
//!         match op {
//!             Op::Join(who, at) => {
//!                 self.by_user.insert(at.key, who);
//!                 self.user_of.insert(who, at.key);
//!             }
//!             Op::Drop(who) => {
//!                 if let Some(user) = self.user_of.remove(&who) {
//!                     self.by_user.remove(&user); // Whoever it is by now.
//!                 }
//!             }
//!             _ => {}
//!         }
//!         Outcome::Done
//!     }
//!
//!     fn visible(&self, at: Place) -> Vec<usize> {
//!         self.by_user.get(&at.key).copied().into_iter().collect()
//!     }
//! }
//!
//! // They open, join and are dropped, and are live as soon as they have joined.
//! let shape = Shape::new().only([Kind::Join]);
//! # let config = Config { failure_persistence: None, ..Config::default() };
//! # let mut runner = TestRunner::new(config);
//! # #[cfg(any())]
//! let mut runner = TestRunner::default();
//! let result = runner.run(&shape.schedules(), |schedule| {
//!     check(&schedule, &mut Users::default())?;
//!     Ok(())
//! });
//!
//! let Err(TestError::Fail(_, smallest)) = result else { panic!("not found") };
//! let divergence = check(&smallest, &mut Users::default()).unwrap_err();
//! assert_eq!(divergence.race, Some(Race::R8));
//! assert_eq!(
//!     divergence.to_string(),
//!     "R8 stale close after a reconnect: after operation 5, \
//!      key 0 of registry 0 shows connections [], not [1]
//!    1. connection 0 opens in scope 0
//!    2. connection 0 joins under key 0 of registry 0
//!    3. connection 1 opens in scope 0
//!    4. connection 1 joins under key 0 of registry 0
//!    5. connection 0 is dropped"
//! );
//! ```
//!
//! With the macro, it is one line:
//!
//! ```
//! # use hangup::testing::schedule::{Reference, Shape, check};
//! use proptest::proptest;
//!
//! proptest! {
//!     # #![proptest_config(proptest::test_runner::Config::with_cases(50))]
//!     # /*
//!     #[test]
//!     # */
//!     fn users_are_kept_apart(schedule in Shape::new().schedules()) {
//!         # type Users = Reference;
//!         # let mut users = Users::new(&Shape::new());
//!         # #[cfg(any())]
//!         let mut users = Users::default();
//!         check(&schedule, &mut users)?;
//!     }
//! }
//! # users_are_kept_apart();
//! ```

mod check;
mod difference;
mod generate;
mod manager;
mod op;
mod reference;
mod shape;
mod shrink;
mod suspect;

use std::collections::BTreeMap;
use std::fmt;

pub use check::{Divergence, check};
pub use manager::Manager;
pub use op::{Kind, Op, Outcome, Place};
pub use reference::Reference;
pub use shape::Shape;

/// Operations on the connections of one manager, one after the other, each of which can
/// be done when its turn comes.
///
/// It is drawn by [`Shape::schedules`], or [made](Self::new) of operations that failed
/// once. `Debug` prints it in a form that can be pasted there, `Display` as sentences.
#[derive(Clone, PartialEq, Eq)]
pub struct Schedule {
    shape: Shape,
    ops: Vec<Op>,
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
    /// The schedule of these operations.
    ///
    /// # Errors
    ///
    /// [`OutOfTurn`] if one of them cannot be done when its turn comes, or is not of this
    /// shape: the reference [tells](Reference::can).
    ///
    /// # Examples
    ///
    /// ```
    /// use hangup::testing::schedule::{Op, Reference, Schedule, Shape, check};
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

    /// The operations, in their order.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// What is left of `ops` without those that cannot be done. Nobody does another one's
    /// operation instead, so what is left means what it did.
    fn meaningful(shape: &Shape, mut ops: Vec<Op>) -> Vec<Op> {
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
