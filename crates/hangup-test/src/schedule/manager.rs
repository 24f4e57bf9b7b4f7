//! The interface of a manager under test.

use super::op::{Op, Outcome, Place};
use hangup::State;

/// A connection manager under test, as a schedule drives and observes it.
///
/// An implementation calls the code under test where the server would call it. If one
/// call of that code corresponds to several operations, make it in the last of them and
/// let the others store its arguments. Observations that the manager cannot make have
/// default methods.
///
/// # Asynchronous managers
///
/// A schedule needs no executor. Keep the future of each set-up, and let it wait for a
/// channel of the test where it would wait for the network. `BeginStep` polls it until it
/// waits, `CompleteStep` completes the wait and polls it, `Poll` polls it, `Cancel` drops
/// it and keeps the connection, and `Drop` drops both:
///
/// ```
/// use std::collections::HashMap;
/// use futures::channel::oneshot;
/// use futures::{FutureExt, future::BoxFuture};
/// use hangup_test::schedule::{Kind, Manager, Op, Outcome, Place, Shape};
///
/// #[derive(Default)]
/// struct Handlers {
///     steps: HashMap<usize, BoxFuture<'static, ()>>,
///     router: HashMap<usize, oneshot::Sender<()>>,
/// }
///
/// impl Handlers {
///     fn poll(&mut self, who: usize) -> Outcome {
///         match self.steps.get_mut(&who).map(|step| step.now_or_never()) {
///             Some(None) => Outcome::Waits,
///             Some(Some(())) => {
///                 self.steps.remove(&who);
///                 Outcome::Done
///             }
///             None => Outcome::Closed,
///         }
///     }
/// }
///
/// impl Manager for Handlers {
///     fn apply(&mut self, op: Op) -> Outcome {
///         match op {
///             Op::BeginStep(who) => {
///                 let (answer, answered) = oneshot::channel();
///                 self.router.insert(who, answer);
///                 self.steps.insert(who, async { answered.await.unwrap() }.boxed());
///                 self.poll(who)
///             }
///             Op::CompleteStep(who) => {
///                 self.router.remove(&who).unwrap().send(()).unwrap();
///                 self.poll(who)
///             }
///             Op::Poll(who) => self.poll(who),
///             Op::Cancel(who) | Op::Drop(who) => {
///                 self.steps.remove(&who);
///                 Outcome::Done
///             }
///             _ => Outcome::Done,
///         }
///     }
///
///     fn visible(&self, _: Place) -> Vec<usize> {
///         Vec::new()
///     }
/// }
/// # use hangup_test::schedule::check;
/// # use proptest::test_runner::{Config, TestRunner};
/// # let shape = Shape::new()
/// #     .registries([])
/// #     .only([Kind::BeginStep, Kind::CompleteStep, Kind::Poll, Kind::Cancel, Kind::GoLive]);
/// # let config = Config { failure_persistence: None, ..Config::default() };
/// # TestRunner::new(config).run(&shape.schedules(), |schedule| {
/// #     check(&schedule, &mut Handlers::default())?;
/// #     Ok(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Manager {
    /// Applies one operation and returns its outcome.
    ///
    /// The operation can be done now: its preconditions hold. Kinds that the
    /// [`Shape`](super::Shape) excludes do not occur.
    fn apply(&mut self, op: Op) -> Outcome;

    /// Returns the connections that are visible there, in any order.
    fn visible(&self, at: Place) -> Vec<usize>;

    /// Returns how many connections count against the cap of `scope`. `None` if the
    /// manager does not count.
    ///
    /// The count is signed, so that a count below zero can be reported.
    fn count(&self, scope: usize) -> Option<i64> {
        let _ = scope;
        None
    }

    /// Returns the set-up steps of `connection` that have been undone, in the order of
    /// the undos. Steps are numbered from 0 in the order in which they began. `None` if
    /// this is unknown.
    fn undone(&self, connection: usize) -> Option<Vec<usize>> {
        let _ = connection;
        None
    }

    /// Returns the state of `connection`. `None` if it is unknown.
    fn state(&self, connection: usize) -> Option<State> {
        let _ = connection;
        None
    }
}
