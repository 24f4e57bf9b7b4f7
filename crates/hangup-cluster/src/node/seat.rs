//! The seat of a connection under a key, on its own node.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use hangup::{CloseReason, Handle, Phase};

use super::session::Session;
use crate::engine::{EngineError, Revision};
use crate::epoch::Epoch;
use crate::key::Key;
use crate::record::{ClaimRecord, Seat};
use crate::signal::Signal;
use crate::waiters::Waiters;

/// What becomes of a connection when its node cannot renew its lease: another node may own the key
/// from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnLapse {
    /// It closes at that instant as [`Lost`](CloseReason::Lost), so that an undo that is shorter
    /// than the [margin](crate::ClusterBuilder::margin) has ended before a successor can come. For
    /// workers, which act under their key alone.
    #[default]
    Close,
    /// It stays open for so long, and silent, and goes on if the lease comes back and no successor
    /// has come; else it closes as [`Lost`](CloseReason::Lost), perhaps after the set-up of a
    /// successor. For streams without effects of their own.
    ///
    /// A node has one lease for all of its keys: the first key of it that another node takes in this
    /// time ends all that it holds. While it is silent, a loop behind a gate is not polled, so its pings
    /// and timers stand still as well.
    Hold(Duration),
}

/// What the owner before has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Predecessor {
    /// Nothing: all of its undos have run before, or there was none.
    Settled,
    /// Something may not be undone, or be undone later, while this connection is set up: it died, it
    /// was cut off, or it gave an undo up; or the engine has begun within the last lease, or has
    /// forgotten everything, and knows of none. Reset what the key protects, under this claim's
    /// epoch.
    Unsettled,
}

/// The seat of a connection: from before its claim is written until it is no part of the record.
pub(crate) struct LocalSeat {
    pub(crate) seat: Seat,
    pub(crate) key: Key,
    pub(crate) session: Arc<Session>,
    pub(crate) handle: Handle,
    pub(crate) on_lapse: OnLapse,
    phase: Mutex<SeatPhase>,
    /// For the task that acquires: the record may have changed, or the claim was withdrawn.
    pub(super) look: Signal,
    /// For the set-up: the acquisition has ended.
    acquired: Signal,
    /// For the undo.
    released: Waiters,
    /// For what is gated: the lease has come back.
    pub(crate) gates: Waiters,
}

pub(super) enum SeatPhase {
    /// A task acquires, and writes to the record.
    Acquiring {
        withdrawn: bool,
        /// It has a reservation, and waits for the owner.
        reserved: bool,
    },
    Owner(Owned),
    /// A task releases, and writes to the record.
    Releasing,
    /// It is no part of the record.
    Released(Option<Refusal>),
}

/// What an owner has.
#[derive(Debug, Clone)]
pub(crate) struct Owned {
    pub(crate) epoch: Epoch,
    pub(crate) predecessor: Predecessor,
    /// What the owner knows of the record.
    pub(crate) record: ClaimRecord,
    pub(crate) revision: Revision,
}

/// What the record is to say of an owner that is not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undone {
    /// As before: the claim was not handed out, so nothing was done under it.
    AsBefore,
    /// All that it did.
    Clean {
        /// It was live: so what the owner before has left was reset, if there was something.
        was_live: bool,
    },
    /// An undo was given up, or has panicked.
    Unclean,
}

impl Undone {
    /// How the undos of this connection went that have run so far.
    pub(crate) fn by(handle: &Handle) -> Self {
        match handle.so_far() {
            None => Self::AsBefore,
            Some(so_far) if so_far.panics.is_empty() && so_far.abandoned.is_empty() => {
                Self::Clean {
                    was_live: so_far.closed.from == Phase::Live,
                }
            }
            Some(_) => Self::Unclean,
        }
    }

    pub(super) fn is_dirty(self, was_dirty: bool) -> bool {
        match self {
            Self::AsBefore | Self::Clean { was_live: false } => was_dirty,
            Self::Clean { was_live: true } => false,
            Self::Unclean => true,
        }
    }
}

/// Why it does not own the key.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    /// It was withdrawn, or a later newcomer has replaced it.
    Gone,
    Unavailable(Option<EngineError>),
}

impl LocalSeat {
    pub(super) fn new(
        seat: Seat,
        key: Key,
        session: Arc<Session>,
        handle: Handle,
        on_lapse: OnLapse,
    ) -> Self {
        Self {
            seat,
            key,
            session,
            handle,
            on_lapse,
            phase: Mutex::new(SeatPhase::Acquiring {
                withdrawn: false,
                reserved: false,
            }),
            look: Signal::default(),
            acquired: Signal::default(),
            released: Waiters::default(),
            gates: Waiters::default(),
        }
    }

    pub(super) fn phase(&self) -> MutexGuard<'_, SeatPhase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_withdrawn(&self) -> bool {
        matches!(
            &*self.phase(),
            SeatPhase::Acquiring {
                withdrawn: true,
                ..
            }
        )
    }

    pub(super) fn is_owner(&self) -> bool {
        matches!(&*self.phase(), SeatPhase::Owner(_))
    }

    pub(super) fn set_reserved(&self) {
        if let SeatPhase::Acquiring { reserved, .. } = &mut *self.phase() {
            *reserved = true;
        }
    }

    /// Whether it waits for an owner, and not for the engine.
    pub(crate) fn waits_for_owner(&self) -> bool {
        matches!(&*self.phase(), SeatPhase::Acquiring { reserved: true, .. })
    }

    /// It owns the key. `false` if it was withdrawn before: then the caller has to release it.
    #[must_use]
    pub(super) fn own(&self, owned: Owned) -> bool {
        let mut phase = self.phase();
        if !matches!(
            &*phase,
            SeatPhase::Acquiring {
                withdrawn: false,
                ..
            }
        ) {
            return false;
        }
        *phase = SeatPhase::Owner(owned);
        drop(phase);
        self.acquired.set();
        true
    }

    /// It is no part of the record, and this is why.
    pub(super) fn release(&self, why: Option<Refusal>) {
        *self.phase() = SeatPhase::Released(why);
        self.acquired.set();
        self.released.wake_all();
    }

    /// Waits until the acquisition has ended. For one task.
    pub(crate) async fn acquired(&self) -> Result<Owned, Refusal> {
        loop {
            match &*self.phase() {
                SeatPhase::Owner(owned) => return Ok(owned.clone()),
                SeatPhase::Released(Some(why)) => return Err(why.clone()),
                SeatPhase::Releasing | SeatPhase::Released(None) => return Err(Refusal::Gone),
                SeatPhase::Acquiring { .. } => {}
            }
            self.acquired.wait().await;
        }
    }

    /// Waits until it is no part of the record.
    pub(crate) async fn released(&self) {
        let mut place = self.released.place();
        std::future::poll_fn(|cx| {
            place.register(cx.waker());
            match &*self.phase() {
                SeatPhase::Released(_) => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
    }

    /// Whether the connection may act now; `Pending` while it has to be silent.
    pub(crate) fn permission(&self) -> Poll<Result<(), CloseReason>> {
        let lease = &self.session.lease;
        if lease.is_lost() {
            return Poll::Ready(Err(CloseReason::Lost));
        }
        match (lease.lapsed_for(), self.on_lapse) {
            (None, _) => Poll::Ready(Ok(())),
            (Some(lapsed), OnLapse::Hold(hold)) if lapsed < hold => Poll::Pending,
            (Some(_), OnLapse::Hold(_) | OnLapse::Close) => Poll::Ready(Err(CloseReason::Lost)),
        }
    }
}

impl fmt::Debug for LocalSeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSeat")
            .field("key", &self.key)
            .field("seat", &self.seat)
            .finish_non_exhaustive()
    }
}
