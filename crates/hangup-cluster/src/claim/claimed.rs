//! A key that is claimed.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use hangup::CloseReason;

use crate::epoch::Epoch;
use crate::key::Key;
use crate::node::{LocalSeat, Owned, Predecessor};

/// A key that a connection has claimed. It is released when the connection closes, after all of
/// its other undos.
///
/// Dropping this value releases nothing; clones are of the same claim.
#[derive(Clone)]
pub struct Claim {
    seat: Arc<LocalSeat>,
    epoch: Epoch,
    predecessor: Predecessor,
}

impl Claim {
    pub(super) fn new(seat: Arc<LocalSeat>, owned: &Owned) -> Self {
        Self {
            seat,
            epoch: owned.epoch,
            predecessor: owned.predecessor,
        }
    }

    /// The number that fences this owner: send it with every write that the claim protects.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What the owner before has left.
    #[must_use]
    pub fn predecessor(&self) -> Predecessor {
        self.predecessor
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.seat.key
    }

    /// Whether the connection may act under the key at this instant: its node's lease has not run
    /// out.
    ///
    /// An action that begins after this may still meet a successor, if the process is stopped in
    /// between: the [epoch](Self::epoch) is for that.
    #[must_use]
    pub fn may_act(&self) -> bool {
        matches!(self.seat.permission(), Poll::Ready(Ok(())))
    }

    /// A gate for [`LiveStream::gate`](hangup::LiveStream::gate) and
    /// [`Run::gate`](hangup::future::Run::gate): what is behind it is not polled while the lease has
    /// lapsed, and the connection closes as [`Lost`](CloseReason::Lost) as
    /// [`OnLapse`](crate::OnLapse) says.
    ///
    /// A process that was stopped, and wakes up after its lease, yields nothing in a poll that
    /// begins then, although no close has reached it yet.
    ///
    /// # Examples
    ///
    /// In front of a stream, and of a loop:
    ///
    /// ```
    /// # use futures::stream;
    /// # fn jobs(claim: &hangup_cluster::Claim, live: hangup::Live) {
    /// let jobs = live.stream(stream::iter(1..)).gate(claim.gate());
    /// # drop(jobs);
    /// # }
    /// # async fn talk() {}
    /// # async fn session(claim: &hangup_cluster::Claim, live: hangup::Live) {
    /// if let Err(closing) = live.run(talk()).gate(claim.gate()).await {
    ///     // A goodbye, before the undos.
    ///     drop(closing);
    /// }
    /// # }
    /// ```
    pub fn gate(
        &self,
    ) -> impl FnMut(&mut Context<'_>) -> Poll<Result<(), CloseReason>> + Send + Sync + use<> {
        let (seat, mut place) = (Arc::clone(&self.seat), self.seat.gates.place());
        move |cx| {
            let permission = seat.permission();
            if permission.is_ready() {
                return permission;
            }
            // Woken when the lease has come back, or the connection is closed.
            place.register(cx.waker());
            // It may have come back before the waker was there.
            seat.permission()
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("key", self.key())
            .field("epoch", &self.epoch)
            .field("predecessor", &self.predecessor)
            .finish_non_exhaustive()
    }
}
