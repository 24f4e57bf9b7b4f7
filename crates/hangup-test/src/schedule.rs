//! Interleavings of operations on several connections, to test a connection manager.
//!
//! Tests by hand seldom close one connection while another is being set up under the same
//! key. A [`Schedule`] is a sequence of such operations in the terms of the [state
//! machine](State): connections open, join registries under keys, wait in steps of their
//! set-up, go live, and are closed from anywhere at any moment. [`check()`] runs it on a
//! [`Manager`] and compares each outcome and everything visible with a [`Reference`]. At
//! a difference, the [`Divergence`] names the operation and, if it can tell, the
//! [race](crate::Race). The manager may use any framework.
//!
//! # A guide
//!
//! 1. Describe the manager in a [`Shape`]: the operations that it offers, the number of
//!    keys, the registries with their policies, the scopes with their caps.
//! 2. Implement [`Manager`]: one method applies an operation, one returns the visible
//!    connections. Counts, undone steps and states are compared too if the manager
//!    returns them.
//! 3. Draw schedules with [`Shape::schedules`], a strategy of proptest 1, and [`check()`]
//!    each on a new manager.
//! 4. A failing schedule shrinks to a handful of operations. Paste it into a test of its
//!    own with [`Schedule::new`].
//!
//! Each operation completes, or waits, before the next one begins. This finds errors that
//! show in some order of operations. It does not find data races.
//!
//! # Example
//!
//! The manager is a table with one entry per user, where a reconnect replaces the old
//! connection. When the old transport ends, its cleanup removes the entry under the key,
//! which is the new one.
//!
//! ```
//! use std::collections::HashMap;
//! use hangup_test::Race;
//! use hangup_test::schedule::{Kind, Manager, Op, Outcome, Place, Shape, check};
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
//!                     self.by_user.remove(&user); // It may be that of another connection.
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
//! With the macro `proptest!`, the test is one line:
//!
//! ```
//! # use hangup_test::schedule::{Reference, Shape, check};
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

// Bottom-up: a module imports from the modules above it only.
mod op;
mod shape;
mod manager;
mod reference;
mod sequence;
mod shrink;
mod generate;
mod difference;
mod suspect;
mod check;

// Re-exported: a manager that does not use `hangup` needs no dependency on it.
pub use hangup::{CloseReason, Closed, Conflict, Phase, State};

pub use check::{Divergence, check};
pub use manager::Manager;
pub use op::{Kind, Op, Outcome, Place};
pub use reference::Reference;
pub use sequence::{OutOfTurn, Schedule};
pub use shape::Shape;
