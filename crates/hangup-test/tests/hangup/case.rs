//! Cases: a schedule, and actions between its operations.

use std::fmt;

use hangup::CloseReason;
use hangup_test::schedule::{Op, Schedule};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::select;

use crate::action::{Action, Condition, Deadline, Step, Undo};
use crate::expected::Expected;
use crate::layout::{Layout, all_policies};

#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) layout: Layout,
    schedule: Schedule,
    /// The forms of the steps, take-overs and cancellations, used in turn.
    forms: Vec<Form>,
    extras: Vec<(usize, Extra)>,
}

#[derive(Debug, Clone, Copy)]
struct Form {
    step: Step,
    deadline: Deadline,
    /// A take-over with a deadline ends by the deadline instead of a drop.
    cancel_by_deadline: bool,
}

/// An action between two operations. The number selects the first connection from there
/// on that can do it.
#[derive(Debug, Clone, Copy)]
enum Extra {
    OnClose(usize, Undo),
    CloseByOwner(usize, CloseReason),
    CloseWhere(usize, Condition, CloseReason),
    JoinAgain(usize),
    TakeOverAgain(usize),
    /// A connection that holds a place begins a step.
    StepOfHolder(usize, Step),
    /// A connection takes over the place of one that is in a step, and waits for it.
    TakeOverFromStep(usize, Deadline),
    Poll(usize),
    PassDeadline(usize),
    Cancel(usize),
}

pub(crate) fn cases() -> impl Strategy<Value = Case> {
    layouts().prop_flat_map(|layout| {
        let extras = vec((0..LONGEST, extra(&layout)), 0..80);
        let schedules = layout.shape().length(1..=LONGEST).schedules();
        let forms = vec(form(), 1..12);
        (Just(layout), schedules, forms, extras).prop_map(|(layout, schedule, forms, extras)| {
            Case {
                layout,
                schedule,
                forms,
                extras,
            }
        })
    })
}

const LONGEST: usize = 80;

fn layouts() -> impl Strategy<Value = Layout> {
    // With few places, connections meet more often.
    let policies = prop_oneof![
        select(all_policies()).prop_map(|policy| vec![policy]),
        Just(all_policies()),
    ];
    let caps = prop_oneof![
        3 => Just(vec![None]),
        1 => (1..6_usize).prop_map(|cap| vec![Some(cap)]),
        1 => Just(vec![Some(3), None]),
    ];
    (policies, caps, select(&[1, 1, 2, 3])).prop_map(|(policies, caps, keys)| Layout {
        policies,
        caps,
        keys,
    })
}

fn form() -> impl Strategy<Value = Form> {
    (step(), deadline(), proptest::bool::ANY).prop_map(|(step, deadline, cancel_by_deadline)| {
        Form {
            step,
            deadline,
            cancel_by_deadline,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    select(&[Step::OnClose, Step::Undo])
}

fn deadline() -> impl Strategy<Value = Deadline> {
    prop_oneof![
        2 => Just(Deadline::None),
        1 => Just(Deadline::Passed),
        2 => Just(Deadline::Later),
    ]
}

fn extra(layout: &Layout) -> impl Strategy<Value = Extra> + use<> {
    let (registries, keys) = (layout.policies.len(), layout.keys);
    let who = || 0..LONGEST;
    let reason = || select(&[CloseReason::Aborted, CloseReason::Idle, CloseReason::App(7)]);
    let undo = select(&[Undo::OnClose, Undo::Panicking, Undo::Hold]);
    let condition = prop_oneof![
        (0..keys).prop_map(Condition::KeyIs),
        Just(Condition::ValueIsOdd)
    ];
    prop_oneof![
        12 => (who(), undo).prop_map(|(who, undo)| Extra::OnClose(who, undo)),
        4 => (who(), reason()).prop_map(|(who, reason)| Extra::CloseByOwner(who, reason)),
        3 => (0..registries, condition, reason())
            .prop_map(|(registry, condition, reason)| Extra::CloseWhere(registry, condition, reason)),
        3 => who().prop_map(Extra::JoinAgain),
        2 => who().prop_map(Extra::TakeOverAgain),
        15 => (who(), step()).prop_map(|(who, step)| Extra::StepOfHolder(who, step)),
        20 => (who(), deadline()).prop_map(|(who, deadline)| Extra::TakeOverFromStep(who, deadline)),
        6 => who().prop_map(Extra::Poll),
        6 => who().prop_map(Extra::PassDeadline),
        3 => who().prop_map(Extra::Cancel),
    ]
}

impl Case {
    /// Returns the actions of the case, without those that cannot be done when their turn
    /// comes.
    pub(crate) fn actions(&self) -> Vec<Action> {
        let mut expected = Expected::new(&self.layout);
        let mut actions = Vec::new();
        let mut act = |action: Option<Action>, expected: &mut Expected| {
            if let Some(action) = action.filter(|action| expected.can(*action)) {
                expected.apply(action);
                actions.push(action);
            }
        };
        let ops = self.schedule.ops();
        for (number, op) in ops.iter().enumerate() {
            let form = self.forms[number % self.forms.len()];
            act(Some(form.of(*op, &expected)), &mut expected);
            for (_, extra) in self
                .extras
                .iter()
                .filter(|(at, _)| at % ops.len() == number)
            {
                act(extra.find(&expected), &mut expected);
            }
        }
        actions
    }
}

impl Form {
    fn of(self, op: Op, expected: &Expected) -> Action {
        match op {
            Op::BeginStep(who) => Action::BeginStep(who, self.step),
            Op::TakeOver(who, at) => Action::TakeOver(who, at, self.deadline),
            Op::Cancel(who)
                if self.cancel_by_deadline && expected.can(Action::PassDeadline(who)) =>
            {
                Action::PassDeadline(who)
            }
            op => Action::Plain(op),
        }
    }
}

impl Extra {
    fn find(self, expected: &Expected) -> Option<Action> {
        let from = |who: usize| {
            let all = expected.connections();
            let later = all.clone().filter(move |other| *other >= who);
            later.chain(all.filter(move |other| *other < who))
        };
        let first = |who, action: &dyn Fn(usize) -> Option<Action>| {
            let mut actions = from(who).filter_map(action);
            actions.find(|action| expected.can(*action))
        };
        match self {
            Self::OnClose(who, undo) => first(who, &|who| Some(Action::OnClose(who, undo))),
            Self::CloseByOwner(who, reason) => {
                first(who, &|who| Some(Action::CloseByOwner(who, reason)))
            }
            Self::CloseWhere(registry, condition, reason) => Some(Action::CloseWhere {
                registry,
                condition,
                reason,
            }),
            Self::JoinAgain(who) => first(who, &|who| {
                Some(Action::JoinAgain(who, expected.place_of(who)?))
            }),
            Self::TakeOverAgain(who) => first(who, &|who| {
                Some(Action::TakeOverAgain(who, expected.place_of(who)?))
            }),
            Self::StepOfHolder(who, step) => first(who, &|who| {
                expected.place_of(who).map(|_| Action::BeginStep(who, step))
            }),
            Self::TakeOverFromStep(who, deadline) => first(who, &|who| {
                let other = |holder: &usize| {
                    *holder != who && expected.can(Action::Plain(Op::CompleteStep(*holder)))
                };
                let places = from(who)
                    .filter(other)
                    .filter_map(|it| expected.place_of(it));
                let mut actions = places.map(|at| Action::TakeOver(who, at, deadline));
                actions.find(|action| expected.can(*action))
            }),
            Self::Poll(who) => first(who, &|who| Some(Action::Plain(Op::Poll(who)))),
            Self::PassDeadline(who) => first(who, &|who| Some(Action::PassDeadline(who))),
            Self::Cancel(who) => first(who, &|who| Some(Action::Plain(Op::Cancel(who)))),
        }
    }
}

/// Prints one action per line.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.layout)?;
        for action in self.actions() {
            writeln!(f, "    {action:?}")?;
        }
        Ok(())
    }
}
