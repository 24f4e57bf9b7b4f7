//! The bits of a connection's word.
//!
//! ```text
//!   bits   what
//!   0-1    the phase: 0 pending, 1 registering, 2 live; a close keeps it
//!   2      CLOSED
//!   3      OWNED: the owner has the duty to unwind
//!   4-7    the code of the close reason; 0 while open
//!   8-23   the application's code of `App`; else 0
//!   24     SETTLED: closed, and everything is undone
//!   25     HAS_PARTS: something was stored under the mutex, or is about to be
//!   26     SETTLE_WAITER: a waker waits under the mutex for SETTLED
//!   27     STALL_WATCH: a stall deadline watches the reader, so a poll must say so
//!   28     REFUSED: a registry has refused the connection a place; the owner's own
//!   29     LEFT_OPEN: the owner has left the connection open; the owner's own
//!   30     SET_ASIDE: a look-up has moved a slot out of the way of the next ones
//!   31     RETURNING: the slots move back, and stay
//! ```
//!
//! Which bits go together:
//!
//! ```text
//!   state          OWNED     SETTLED
//!   pending        never     never
//!   registering    always    never
//!   live           maybe     never
//!   closed         maybe     only without OWNED
//! ```
//!
//! HAS_PARTS, SETTLE_WAITER and STALL_WATCH go with every state and are never cleared.
//! REFUSED is set while registering, and a close keeps it. LEFT_OPEN is set while live.
//! SET_ASIDE is set while registering, RETURNING after it, and both are never cleared. Live
//! comes with both of them or with neither.

use crate::state::{APP, CloseReason, Closed, Phase, State};

pub(super) const PENDING: u32 = 0;
pub(super) const REGISTERING: u32 = 1;
pub(super) const LIVE: u32 = 2;

const PHASE_MASK: u32 = 0b11;
const CLOSED: u32 = 1 << 2;
pub(super) const OWNED: u32 = 1 << 3;
const REASON_SHIFT: u32 = 4;
const REASON_MASK: u32 = 0b1111;
const CODE_SHIFT: u32 = 8;
const CODE_MASK: u32 = 0xffff;
pub(super) const SETTLED: u32 = 1 << 24;
pub(super) const HAS_PARTS: u32 = 1 << 25;
pub(super) const SETTLE_WAITER: u32 = 1 << 26;
pub(super) const STALL_WATCH: u32 = 1 << 27;
pub(super) const REFUSED: u32 = 1 << 28;
pub(super) const LEFT_OPEN: u32 = 1 << 29;
pub(super) const SET_ASIDE: u32 = 1 << 30;
pub(super) const RETURNING: u32 = 1 << 31;

/// What a connection is to a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    InSetUp,
    /// In set-up, in the middle of `go_live`.
    GoingLive,
    Live,
    Closed,
}

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

    pub(super) fn phase(self) -> Phase {
        match self.0 & PHASE_MASK {
            PENDING => Phase::Pending,
            REGISTERING => Phase::Registering,
            _ => Phase::Live,
        }
    }

    #[inline]
    pub(crate) fn is_live(self) -> bool {
        self.0 & (PHASE_MASK | CLOSED) == LIVE
    }

    #[inline]
    pub(crate) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Whether the connection is open and no stall deadline watches its reader: the fast
    /// path of a poll.
    #[inline]
    pub(crate) fn is_plainly_open(self) -> bool {
        self.0 & (CLOSED | STALL_WATCH) == 0
    }

    #[inline]
    pub(crate) fn closed(self) -> Option<Closed> {
        self.is_closed().then(|| self.how_it_closed())
    }

    /// How the connection closed; meaningless while it is open.
    pub(crate) fn how_it_closed(self) -> Closed {
        Closed {
            reason: decode_reason(self.0),
            from: self.phase(),
        }
    }

    #[cold]
    pub(super) fn expect_closed(self) -> Closed {
        self.closed().expect("only a close prevents this move")
    }

    pub(crate) fn settled(self) -> bool {
        self.0 & SETTLED != 0
    }

    pub(crate) fn has_parts(self) -> bool {
        self.0 & HAS_PARTS != 0
    }

    pub(super) fn has_settle_waiter(self) -> bool {
        self.0 & SETTLE_WAITER != 0
    }

    /// Whether a slot of the connection may be where no look-up finds it.
    pub(super) fn is_aside(self) -> bool {
        self.0 & (SET_ASIDE | RETURNING) == SET_ASIDE
    }

    pub(super) fn standing(self) -> Standing {
        match self.0 & (PHASE_MASK | CLOSED) {
            LIVE => Standing::Live,
            bits if bits & CLOSED != 0 => Standing::Closed,
            _ if self.0 & RETURNING != 0 => Standing::GoingLive,
            _ => Standing::InSetUp,
        }
    }

    pub(crate) fn is_owned(self) -> bool {
        self.0 & OWNED != 0
    }

    pub(super) fn owned(self) -> Self {
        Self(self.0 | OWNED)
    }

    pub(super) fn is_refused(self) -> bool {
        self.0 & REFUSED != 0
    }

    pub(super) fn without_refusal(self) -> Self {
        Self(self.0 & !REFUSED)
    }

    pub(super) fn is_left_open(self) -> bool {
        self.0 & LEFT_OPEN != 0
    }

    pub(super) fn without_owner(self) -> Self {
        Self(self.0 & !OWNED)
    }

    // `State::apply` on the packed form; the flags stay. The typed states allow only events
    // that are in order, so a closed connection is the only one that refuses.

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
    let app = match reason {
        CloseReason::App(app) => app,
        _ => 0,
    };
    reason.code() << REASON_SHIFT | u32::from(app) << CODE_SHIFT
}

fn decode_reason(bits: u32) -> CloseReason {
    let app = u16::try_from((bits >> CODE_SHIFT) & CODE_MASK).expect("masked to 16 bits");
    CloseReason::from_code((bits >> REASON_SHIFT) & REASON_MASK, app)
}

const _: () = assert!(APP <= REASON_MASK, "every code fits into its bits");
