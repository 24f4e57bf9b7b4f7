//! What a test does to `hangup`: the operations of a schedule, and actions that only
//! `hangup` has.

use hangup::{CloseReason, KeyError};
use hangup_test::schedule::{Op, Outcome, Place};

/// `BeginStep` and `TakeOver` have variants of their own, since `hangup` has several
/// forms of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Action {
    Plain(Op),
    BeginStep(usize, Step),
    TakeOver(usize, Place, Deadline),
    /// The deadline of the take-over passes, and the take-over is polled.
    PassDeadline(usize),
    OnClose(usize, Undo),
    /// The owner closes the connection, which consumes the owner.
    CloseByOwner(usize, CloseReason),
    CloseWhere {
        registry: usize,
        condition: Condition,
        reason: CloseReason,
    },
    /// The connection joins under a key that it holds already.
    JoinAgain(usize, Place),
    TakeOverAgain(usize, Place),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The undo first, then the step.
    OnClose,
    /// Both in one call.
    Undo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deadline {
    None,
    Passed,
    /// The deadline passes at [`Action::PassDeadline`].
    Later,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undo {
    OnClose,
    Panicking,
    Hold,
    /// The undo of a step.
    Step,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Condition {
    KeyIs(usize),
    ValueIsOdd,
}

/// What an action returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returned {
    Plain(Outcome),
    Failed(KeyError),
}

impl Condition {
    pub(crate) fn holds(self, key: usize, value: u32) -> bool {
        match self {
            Self::KeyIs(wanted) => key == wanted,
            Self::ValueIsOdd => value % 2 == 1,
        }
    }
}
