//! A case: a sequence of operations, each of which can be done when its turn comes.

use std::fmt;

use hangup::CloseReason;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::select;

use crate::op::{Condition, Deadline, KEYS, Key, Op, POLICIES, Policy, SLOTS, Step, Undo};
use crate::reference::Reference;

#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) max_connections: Option<usize>,
    pub(crate) ops: Vec<Op>,
}

pub(crate) fn cases() -> impl Strategy<Value = Case> {
    let max_connections = prop_oneof![3 => Just(None), 1 => (1..SLOTS).prop_map(Some)];
    // Few of each in many cases, so that they meet more often.
    let policies = prop_oneof![
        select(&POLICIES).prop_map(|policy| vec![policy]),
        Just(POLICIES.to_vec()),
    ];
    let keys = select(&[1, 1, 2, 3]).prop_map(|keys| &KEYS[..keys]);
    let ops = (policies, keys).prop_flat_map(|(policies, keys)| {
        let some = prop_oneof![
            1 => set_up(policies.clone(), keys),
            2 => op(policies, keys).prop_map(|op| vec![op]),
        ];
        vec(some, 0..80).prop_map(|ops| ops.concat())
    });
    (max_connections, ops).prop_map(|(max_connections, ops)| Case::new(max_connections, ops))
}

impl Case {
    /// Has each operation done by the first owner that can do it, from the slot on that
    /// it names, and leaves out what nobody can do.
    fn new(max_connections: Option<usize>, mut ops: Vec<Op>) -> Self {
        let mut reference = Reference::new(max_connections);
        ops.retain_mut(|op| {
            let can = reference.find_one_who_can(op);
            if can {
                reference.apply(*op);
            }
            can
        });
        Self {
            max_connections,
            ops,
        }
    }
}

/// What most connections begin with, since only what holds something can be in the way
/// of another.
fn set_up(policies: Vec<Policy>, keys: &'static [Key]) -> impl Strategy<Value = Vec<Op>> {
    let slot = 0..SLOTS;
    let join = (select(policies.clone()), select(keys));
    let take_over = (select(policies), select(keys), deadline());
    let joins = prop_oneof![
        2 => join.prop_map(|(p, k)| Op::Join(0, p, k)),
        1 => take_over.prop_map(|(p, k, d)| Op::TakeOver(0, p, k, d)),
    ];
    let then = prop_oneof![
        1 => Just(None),
        2 => step().prop_map(|step| Some(Op::BeginStep(0, step))),
        1 => Just(Some(Op::GoLive(0))),
    ];
    (slot, joins, then).prop_map(|(slot, joins, then)| {
        let mut ops = vec![Op::Open(slot), Op::Register(slot), joins];
        ops.extend(then);
        for op in &mut ops {
            *op.slot_mut().expect("all have one") = slot;
        }
        ops
    })
}

fn op(policies: Vec<Policy>, keys: &'static [Key]) -> impl Strategy<Value = Op> {
    let slot = || 0..SLOTS;
    let policy = || select(policies.clone());
    let key = || select(keys);
    let reason = || select(&[CloseReason::Aborted, CloseReason::Idle, CloseReason::App(7)]);
    let undo = select(&[Undo::OnClose, Undo::Panicking, Undo::Hold]);
    let condition = prop_oneof![
        key().prop_map(Condition::KeyIs),
        Just(Condition::ValueIsOdd)
    ];
    let usual = prop_oneof![
        3 => slot().prop_map(Op::Open),
        6 => slot().prop_map(Op::Register),
        12 => (slot(), undo).prop_map(|(s, undo)| Op::OnClose(s, undo)),
        20 => (slot(), policy(), key()).prop_map(|(s, p, k)| Op::Join(s, p, k)),
        20 => (slot(), policy(), key(), deadline())
            .prop_map(|(s, p, k, d)| Op::TakeOver(s, p, k, d)),
        10 => (slot(), step()).prop_map(|(s, step)| Op::BeginStep(s, step)),
        8 => slot().prop_map(Op::Poll),
        8 => slot().prop_map(Op::CompleteStep),
        8 => slot().prop_map(Op::PassDeadline),
        8 => slot().prop_map(Op::Cancel),
        20 => slot().prop_map(Op::GoLive),
        4 => (slot(), reason()).prop_map(|(s, reason)| Op::CloseByHandle(s, reason)),
        4 => (slot(), reason()).prop_map(|(s, reason)| Op::CloseByOwner(s, reason)),
        20 => slot().prop_map(Op::DropOwner),
        3 => (policy(), key(), reason()).prop_map(|(p, k, reason)| Op::CloseKey(p, k, reason)),
        3 => (policy(), condition, reason())
            .prop_map(|(p, c, reason)| Op::CloseWhere(p, c, reason)),
    ];
    prop_oneof![
        150 => usual,
        2 => reason().prop_map(Op::CloseAll),
        1 => Just(Op::BeginDrain),
    ]
}

fn deadline() -> impl Strategy<Value = Deadline> {
    prop_oneof![
        2 => Just(Deadline::None),
        1 => Just(Deadline::Passed),
        2 => Just(Deadline::Later),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    select(&[Step::Run, Step::Finish])
}

/// One operation per line, so that a failing case can be read.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "at most {:?} connections", self.max_connections)?;
        for op in &self.ops {
            writeln!(f, "    {op:?}")?;
        }
        Ok(())
    }
}
