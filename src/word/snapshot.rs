//! What the word of a connection says, bit by bit.
//!
//! ```text
//!   bits   what
//!   0-1    the phase: 0 pending, 1 registering, 2 live; stays when it closes
//!   2      CLOSED
//!   3      IN_STEP: the owner is in a set-up step
//!   4-7    the close reason; 0 while open
//!   8-23   the code of `App`; else 0
//!   24     SETTLED: closed, and everything is undone
//!   25     HELD: something was put behind the lock, or may be
//!   26     AWAITED: somebody waits for it to settle
//!   27     WATCHED: there is more to a poll of its source than whether it is open
//! ```
//!
//! Which bits go together:
//!
//! ```text
//!   state          IN_STEP   SETTLED
//!   pending, live  never     never
//!   registering    maybe     never
//!   closed         maybe     only without IN_STEP
//! ```
//!
//! The others go with all of them, and are never cleared.

use super::Behind;
use crate::state::{CloseReason, Closed, Phase, State};

pub(super) const PENDING: u32 = 0;
pub(super) const REGISTERING: u32 = 1;
pub(super) const LIVE: u32 = 2;

const PHASE_MASK: u32 = 0b11;
const CLOSED: u32 = 1 << 2;
pub(super) const IN_STEP: u32 = 1 << 3;
const REASON_SHIFT: u32 = 4;
const REASON_MASK: u32 = 0b1111;
const CODE_SHIFT: u32 = 8;
const CODE_MASK: u32 = 0xffff;
pub(super) const SETTLED: u32 = 1 << 24;
pub(super) const HELD: u32 = 1 << 25;
pub(super) const AWAITED: u32 = 1 << 26;
pub(super) const WATCHED: u32 = 1 << 27;

/// A loaded word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Snapshot(pub(super) u32);

impl Snapshot {
    pub(crate) fn state(self) -> State {
        match (self.phase(), self.is_closed()) {
            (_, true) => State::Closed(self.how_it_closed()),
            (Phase::Pending, false) => State::Pending,
            (Phase::Registering, false) => State::Registering,
            (Phase::Live, false) => State::Live,
        }
    }

    /// Whether both say the same of how it closed.
    pub(crate) fn closed_like(self, other: Self) -> bool {
        const HOW: u32 = PHASE_MASK | REASON_MASK << REASON_SHIFT | CODE_MASK << CODE_SHIFT;
        (self.0 ^ other.0) & HOW == 0
    }

    fn phase(self) -> Phase {
        match self.0 & PHASE_MASK {
            PENDING => Phase::Pending,
            REGISTERING => Phase::Registering,
            _ => Phase::Live,
        }
    }

    pub(crate) fn is_live(self) -> bool {
        self.0 & (PHASE_MASK | CLOSED) == LIVE
    }

    #[inline]
    pub(crate) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Whether there is nothing more to a poll of its source than that.
    #[inline]
    pub(crate) fn is_just_open(self) -> bool {
        self.0 & (CLOSED | WATCHED) == 0
    }

    #[inline]
    pub(crate) fn closed(self) -> Option<Closed> {
        self.is_closed().then(|| self.how_it_closed())
    }

    /// How it closed, if it has.
    pub(crate) fn how_it_closed(self) -> Closed {
        Closed {
            reason: decode_reason(self.0),
            from: self.phase(),
        }
    }

    #[cold]
    pub(super) fn expect_closed(self) -> Closed {
        self.closed().expect("nothing else was in the way")
    }

    pub(crate) fn settled(self) -> bool {
        self.0 & SETTLED != 0
    }

    pub(crate) fn behind(self) -> Behind {
        if self.0 & HELD != 0 {
            Behind::Something
        } else {
            Behind::Nothing
        }
    }

    pub(super) fn awaited(self) -> bool {
        self.0 & AWAITED != 0
    }

    pub(super) fn in_step(self) -> bool {
        self.0 & IN_STEP != 0
    }

    pub(super) fn without_step(self) -> Self {
        Self(self.0 & !IN_STEP)
    }

    // `State::apply` on the packed form; the flags stay. The typed states put the events in
    // order, so the only way to fail is to be closed.

    #[inline]
    pub(super) fn entered(self, phase: u32) -> Option<Self> {
        (!self.is_closed()).then_some(Self(self.0 & !PHASE_MASK | phase))
    }

    #[inline]
    pub(super) fn closed_as(self, reason: u32) -> Option<Self> {
        (!self.is_closed()).then_some(Self(self.0 | CLOSED | reason))
    }
}

pub(super) fn encode_reason(reason: CloseReason) -> u32 {
    let (kind, code) = match reason {
        CloseReason::Completed => (0, 0),
        CloseReason::Dropped => (1, 0),
        CloseReason::Aborted => (2, 0),
        CloseReason::Failed => (3, 0),
        CloseReason::Superseded => (4, 0),
        CloseReason::Shutdown => (5, 0),
        CloseReason::Idle => (6, 0),
        CloseReason::Stalled => (7, 0),
        CloseReason::Expired => (8, 0),
        CloseReason::Overflow => (9, 0),
        CloseReason::App(code) => (10, code),
    };
    kind << REASON_SHIFT | u32::from(code) << CODE_SHIFT
}

fn decode_reason(bits: u32) -> CloseReason {
    match (bits >> REASON_SHIFT) & REASON_MASK {
        0 => CloseReason::Completed,
        1 => CloseReason::Dropped,
        2 => CloseReason::Aborted,
        3 => CloseReason::Failed,
        4 => CloseReason::Superseded,
        5 => CloseReason::Shutdown,
        6 => CloseReason::Idle,
        7 => CloseReason::Stalled,
        8 => CloseReason::Expired,
        9 => CloseReason::Overflow,
        10 => {
            let code = (bits >> CODE_SHIFT) & CODE_MASK;
            CloseReason::App(u16::try_from(code).expect("masked to 16 bits"))
        }
        kind => unreachable!("no close reason is coded as {kind}"),
    }
}
