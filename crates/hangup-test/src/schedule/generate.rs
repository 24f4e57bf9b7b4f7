//! The strategy that draws schedules.

use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::manager::Manager;
use super::op::{Kind, Op, Place};
use super::reference::Reference;
use super::sequence::Schedule;
use super::shape::Shape;
use super::shrink::{REASONS, Shrinking};
use hangup::CloseReason;

/// The weight of each kind. Closes are rare, so that connections meet first, and a drain
/// ends most of what can follow.
const WEIGHTS: [(Kind, usize); 14] = [
    (Kind::Open, 30),
    (Kind::Register, 40),
    (Kind::Join, 60),
    (Kind::TakeOver, 25),
    (Kind::BeginStep, 30),
    (Kind::CompleteStep, 15),
    (Kind::Poll, 30),
    (Kind::Cancel, 10),
    (Kind::GoLive, 25),
    (Kind::Close, 8),
    (Kind::Drop, 10),
    (Kind::CloseKey, 4),
    (Kind::CloseAll, 4),
    (Kind::BeginDrain, 1),
];

impl Shape {
    /// Returns the strategy for schedules of this shape.
    ///
    /// The strategy asks the reference, so every operation can be done when its turn
    /// comes. A schedule shrinks by removing operations, together with those that depend
    /// on them, and by using fewer keys, registries, scopes and reasons.
    pub fn schedules(&self) -> impl Strategy<Value = Schedule> + use<> {
        Schedules(self.clone())
    }
}

/// The strategy of [`Shape::schedules`].
#[derive(Debug)]
struct Schedules(Shape);

/// The subset of kinds and places of one schedule. With fewer places connections meet
/// more often, and kinds that close everything do not occur in every schedule.
struct Palette {
    kinds: Vec<(Kind, usize)>,
    places: Vec<Place>,
}

impl Strategy for Schedules {
    type Tree = Shrinking;
    type Value = Schedule;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let shape = &self.0;
        let (least, most) = (*shape.length.start(), *shape.length.end());
        let length = least + draw(runner, (most + 1).saturating_sub(least));
        let palette = Palette::new(shape, runner);
        let mut reference = Reference::new(shape);
        let mut ops = Vec::with_capacity(length);
        while let Some(op) = palette
            .draw(&reference, runner)
            .filter(|_| ops.len() < length)
        {
            reference.apply(op);
            ops.push(op);
        }
        Ok(Shrinking::new(shape.clone(), ops))
    }
}

impl Palette {
    fn new(shape: &Shape, runner: &mut TestRunner) -> Self {
        let mut kinds = WEIGHTS.to_vec();
        kinds.retain(|(kind, _)| {
            let path = [
                Kind::Open,
                Kind::Register,
                Kind::Join,
                Kind::GoLive,
                Kind::Drop,
            ];
            shape.offers(*kind) && (path.contains(kind) || draw(runner, 3) > 0)
        });
        let keys = 1 + draw(runner, shape.keys);
        // One registry or all of them.
        let only = draw(runner, 2 * shape.registries.len());
        let is_in =
            |at: &Place| at.key < keys && (at.registry == only || only >= shape.registries.len());
        let places = shape.places().filter(is_in).collect();
        Self { kinds, places }
    }

    /// The kind is drawn before the operation. Otherwise the share of joins would grow
    /// with the number of keys.
    fn draw(&self, reference: &Reference, runner: &mut TestRunner) -> Option<Op> {
        let why = REASONS[draw(runner, REASONS.len())];
        let mut possible = self.all(reference, why);
        possible.retain(|op| reference.can(*op));
        let mut kinds = self.kinds.clone();
        kinds.retain(|(kind, _)| possible.iter().any(|op| op.kind() == *kind));
        let mut at = draw(runner, kinds.iter().map(|(_, weight)| weight).sum());
        let drawn = kinds.iter().find(|(_, weight)| {
            let is_here = at < *weight;
            at = at.saturating_sub(*weight);
            is_here
        });
        possible.retain(|op| Some(op.kind()) == drawn.map(|(kind, _)| *kind));
        possible.get(draw(runner, possible.len())).copied()
    }

    /// Returns every operation of the shape, including those that cannot be done now.
    fn all(&self, reference: &Reference, why: CloseReason) -> Vec<Op> {
        let scopes = (0..reference.shape().scopes.len()).flat_map(|scope| {
            let open = Op::Open(reference.opened, scope);
            [open, Op::CloseAll(scope, why), Op::BeginDrain(scope)]
        });
        let keys = self.places.iter().map(|at| Op::CloseKey(*at, why));
        let closes = reference.connections.keys().map(|who| Op::Close(*who, why));
        let owners = reference.owners().into_iter().flat_map(|who| {
            let joins = move |at: &Place| [Op::Join(who, *at), Op::TakeOver(who, *at)];
            let others = [
                Op::Register(who),
                Op::BeginStep(who),
                Op::CompleteStep(who),
                Op::Poll(who),
                Op::Cancel(who),
                Op::GoLive(who),
                Op::Drop(who),
            ];
            self.places.iter().flat_map(joins).chain(others)
        });
        scopes.chain(keys).chain(closes).chain(owners).collect()
    }
}

/// Draws a number below `below`, or 0.
fn draw(runner: &mut TestRunner, below: usize) -> usize {
    let drawn = (0..below.max(1)).new_tree(runner);
    drawn.expect("a range refuses nothing").current()
}
