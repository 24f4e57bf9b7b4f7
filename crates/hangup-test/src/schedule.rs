//! Interleavings of several connections, for a connection manager of one's own.
//!
//! What closes one connection while another is being set up under the same key is seldom
//! tried by hand. A [`Schedule`] is such an order of events, spelled in the terms of the
//! [state machine](State): connections open, join registries under keys, wait in
//! steps of their set-up, go live, and are closed from anywhere at any point. [`check()`]
//! runs it on a [`Manager`], whether that is built on this crate or not, and compares what
//! it does and shows with a [`Reference`], after each operation. If they differ,
//! the [`Divergence`] names the operation, and the [race](crate::Race) where it can tell.
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

// Bottom-up: a module imports from those above it only.
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

// A manager that is not built on `hangup` needs no dependency on it.
pub use hangup::{CloseReason, Closed, Conflict, Phase, State};

pub use check::{Divergence, check};
pub use manager::Manager;
pub use op::{Kind, Op, Outcome, Place};
pub use reference::Reference;
pub use sequence::{OutOfTurn, Schedule};
pub use shape::Shape;
