//! What can be done.

use hangup::{CloseReason, Conflict};

/// An owner's number. There is one owner per slot at most, and it may be gone.
pub(crate) type Slot = usize;
pub(crate) const SLOTS: usize = 6;

pub(crate) type Key = char;
pub(crate) const KEYS: [Key; 3] = ['a', 'b', 'c'];

/// One registry of each policy.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Policy {
    Replace,
    Reject,
    Share,
}

pub(crate) const POLICIES: [Policy; 3] = [Policy::Replace, Policy::Reject, Policy::Share];
pub(crate) const MAX_PER_KEY: usize = 2;
/// For how many keys each registry remembers the last close.
pub(crate) const REMEMBERED: usize = 2;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Open(Slot),
    Register(Slot),
    OnClose(Slot, Undo),
    Join(Slot, Policy, Key),
    /// Polled once, and kept if it waits.
    TakeOver(Slot, Policy, Key, Deadline),
    /// Polled once: a step waits until it is told to complete.
    BeginStep(Slot, Step),
    Poll(Slot),
    CompleteStep(Slot),
    PassDeadline(Slot),
    /// Drops the step or the take-over that waits, and keeps the owner.
    Cancel(Slot),
    GoLive(Slot),
    /// By the last owner in the slot, whether it is there or gone.
    CloseByHandle(Slot, CloseReason),
    CloseByOwner(Slot, CloseReason),
    /// With the step or the take-over that it is in.
    DropOwner(Slot),
    CloseKey(Policy, Key, CloseReason),
    CloseWhere(Policy, Condition, CloseReason),
    CloseAll(CloseReason),
    BeginDrain,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Undo {
    OnClose,
    Panicking,
    Hold,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Run,
    Finish,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deadline {
    None,
    Passed,
    /// Passes when it is told to.
    Later,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Condition {
    KeyIs(Key),
    ValueIsOdd,
}

impl Op {
    /// The slot of whoever does it, or to whom it is done.
    pub(crate) fn slot_mut(&mut self) -> Option<&mut Slot> {
        match self {
            Self::Open(slot)
            | Self::Register(slot)
            | Self::OnClose(slot, _)
            | Self::Join(slot, ..)
            | Self::TakeOver(slot, ..)
            | Self::BeginStep(slot, _)
            | Self::Poll(slot)
            | Self::CompleteStep(slot)
            | Self::PassDeadline(slot)
            | Self::Cancel(slot)
            | Self::GoLive(slot)
            | Self::CloseByHandle(slot, _)
            | Self::CloseByOwner(slot, _)
            | Self::DropOwner(slot) => Some(slot),
            Self::CloseKey(..) | Self::CloseWhere(..) | Self::CloseAll(_) | Self::BeginDrain => {
                None
            }
        }
    }
}

impl Policy {
    pub(crate) fn conflict(self) -> Conflict {
        match self {
            Self::Replace => Conflict::Replace,
            Self::Reject => Conflict::Reject,
            Self::Share => Conflict::Share {
                max_per_key: MAX_PER_KEY,
            },
        }
    }
}

impl Condition {
    pub(crate) fn holds(self, key: Key, value: u32) -> bool {
        match self {
            Self::KeyIs(wanted) => key == wanted,
            Self::ValueIsOdd => value % 2 == 1,
        }
    }
}
