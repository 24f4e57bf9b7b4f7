//! What a schedule is run on.

use super::op::{Op, Outcome, Place};
use hangup::State;

/// A connection manager under test, as a schedule drives and sees it.
///
/// To drive it, call of one's own code what the server calls at that point. What is one
/// call there and several operations here is done in the last of these, and the ones before
/// only remember what to call with. What it does not observe it need not answer.
///
/// # Asynchronous managers
///
/// A schedule needs no executor: it is the executor. Keep the future of each set-up, and
/// let it wait for something of the test's where it would wait for the network.
/// `BeginStep` polls it until it waits there, `CompleteStep` lets go of that and polls it,
/// `Poll` polls it, and `Drop` drops it:
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
///             Op::Drop(who) => {
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
/// #     .only([Kind::BeginStep, Kind::CompleteStep, Kind::Poll, Kind::GoLive]);
/// # let config = Config { failure_persistence: None, ..Config::default() };
/// # TestRunner::new(config).run(&shape.schedules(), |schedule| {
/// #     check(&schedule, &mut Handlers::default())?;
/// #     Ok(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Manager {
    /// Does one operation, and says what came of it.
    ///
    /// It can be done now: what it needs of its connection has happened. Kinds that the
    /// [`Shape`](super::Shape) leaves out do not occur.
    fn apply(&mut self, op: Op) -> Outcome;

    /// Who is found there now, in any order.
    fn visible(&self, at: Place) -> Vec<usize>;

    /// How many connections count against the cap of `scope` now: it admits by this.
    /// `None` if it is not counted.
    ///
    /// It is signed, so that a count below zero can be told.
    fn count(&self, scope: usize) -> Option<i64> {
        let _ = scope;
        None
    }

    /// The set-up steps of `connection` that have been undone, in this order, the first
    /// one that began being 0. `None` if it is not known.
    fn undone(&self, connection: usize) -> Option<Vec<usize>> {
        let _ = connection;
        None
    }

    /// Where `connection` stands. `None` if it is not known.
    fn state(&self, connection: usize) -> Option<State> {
        let _ = connection;
        None
    }
}
