//! The step of a set-up that claims a key.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use hangup::Registering;

use super::claimed::Claim;
use crate::cluster::ClusterKey;
use crate::engine::EngineError;
use crate::error::ClaimError;
use crate::node::{LocalSeat, NoSeat, Node, OnLapse, Owned, Refusal, Undone};

/// Claims keys of a cluster in the set-up of a connection.
pub trait RegisteringExt {
    /// Claims `key` for this connection alone, among all nodes: the owner, on whichever node, is
    /// closed as [`Superseded`](hangup::CloseReason::Superseded), and this waits until it has
    /// settled and its node has handed the key over.
    ///
    /// The key is released when this connection closes, after all of its other undos, also after
    /// those that are older than the claim, and a drain waits for that. How these went,
    /// [`Claim::predecessor`] tells the successor.
    ///
    /// Of two newcomers the one whose reservation the engine took later wins; the other one ends
    /// as [`Superseded`](hangup::CloseReason::Superseded).
    ///
    /// Claim before anything that the claim protects. The claim of a key that is free is one write.
    ///
    /// # Errors
    ///
    /// - [`ClaimError::Closed`] if the connection closes, also while it waits.
    /// - [`ClaimError::Unsettled`] if the owner has not settled when the
    ///   [deadline](Claiming::deadline) passes. It is closed all the same.
    /// - [`ClaimError::Unavailable`] if the engine does not answer in that time, or this node has no
    ///   lease.
    /// - [`ClaimError::AlreadyClaimed`] if this connection has the key.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is complete, the claim is withdrawn: by a task that goes
    /// on until the engine has taken it, and that the undo of this connection waits for. The owner
    /// is closed if the reservation had been written. It can be tried again.
    fn claim(&mut self, key: &ClusterKey) -> Claiming<'_>;
}

impl RegisteringExt for Registering {
    fn claim(&mut self, key: &ClusterKey) -> Claiming<'_> {
        Claiming {
            setup: self,
            key: key.clone(),
            on_lapse: OnLapse::default(),
            deadline: DEADLINE,
        }
    }
}

/// How long a claim waits that has no deadline of its own.
const DEADLINE: Duration = Duration::from_secs(10);

/// A claim that is being made: await it. Made by [`RegisteringExt::claim`].
#[must_use = "it does nothing unless it is awaited"]
pub struct Claiming<'a> {
    setup: &'a mut Registering,
    key: ClusterKey,
    on_lapse: OnLapse,
    deadline: Duration,
}

impl Claiming<'_> {
    /// What becomes of the connection when its node cannot renew its lease. Without this, it
    /// closes.
    pub fn on_lapse(mut self, on_lapse: OnLapse) -> Self {
        self.on_lapse = on_lapse;
        self
    }

    /// How long it waits, for the engine and for the owner: ten seconds, unless it is said.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    async fn claim(self) -> Result<Claim, ClaimError> {
        let node = Arc::clone(self.key.cluster().node());
        let handle = self.setup.handle();
        if let Some(closed) = handle.state().closed() {
            return Err(closed.into());
        }
        let key = self.key.key();
        let mut deadline = node.parts.runtime.sleep(self.deadline);
        let seat = loop {
            match node.seat(key, &handle, self.on_lapse) {
                Ok(seat) => break seat,
                Err(NoSeat::Claimed) => return Err(ClaimError::AlreadyClaimed),
                Err(NoSeat::NoLease) => return Err(unavailable(None, &node)),
                Err(NoSeat::Withdrawing(earlier)) => {
                    let waiting = self.setup.run(async {
                        match select(pin!(earlier.released()), &mut deadline).await {
                            Either::Left(((), _)) => Ok(()),
                            Either::Right(_) => Err(unavailable(None, &node)),
                        }
                    });
                    waiting.await??;
                }
            }
        };
        // Given back if this is dropped, at whatever await.
        let mut withdrawal = Withdrawal(Some((Arc::clone(&node), Arc::clone(&seat))));
        let undo = {
            // With a clone of the cluster: this connection is a reason to stay in it.
            let (cluster, seat) = (self.key.cluster().clone(), Arc::clone(&seat));
            move || async move {
                // All other undos have run.
                let undone = Undone::by(&seat.handle);
                cluster.node().request_release(&seat, undone);
                seat.released().await;
            }
        };
        // The undo first: it is there whatever becomes of the step.
        let name = format!("release {key}");
        if let Err(closed) = self.setup.on_close_last(name, undo) {
            node.give_back(&seat, None);
            withdrawal.0 = None;
            return Err(closed.into());
        }
        node.acquire(&seat);
        let acquired = self.setup.run(async {
            match select(pin!(seat.acquired()), deadline).await {
                Either::Left((acquired, _)) => acquired.map_err(|refusal| refused(refusal, &node)),
                Either::Right(_) => Err(too_late(&seat, &node)),
            }
        });
        let owned: Owned = match acquired.await? {
            Ok(owned) => owned,
            Err(error) => {
                // What was refused since the connection has closed is told by that.
                return Err(handle.state().closed().map_or(error, ClaimError::Closed));
            }
        };
        withdrawal.0 = None;
        Ok(Claim::new(seat, &owned))
    }
}

fn refused(refusal: Refusal, node: &Node) -> ClaimError {
    match refusal {
        Refusal::Gone => unavailable(None, node),
        Refusal::Unavailable(source) => unavailable(source, node),
    }
}

fn unavailable(source: Option<EngineError>, node: &Node) -> ClaimError {
    ClaimError::Unavailable {
        retry_after: node.timing().lease,
        source,
    }
}

fn too_late(seat: &LocalSeat, node: &Node) -> ClaimError {
    match seat.waits_for_owner() {
        true => ClaimError::Unsettled {
            retry_after: Duration::from_secs(1),
        },
        false => unavailable(None, node),
    }
}

/// Withdraws the claim when it is dropped.
struct Withdrawal(Option<(Arc<Node>, Arc<LocalSeat>)>);

impl Drop for Withdrawal {
    fn drop(&mut self) {
        if let Some((node, seat)) = self.0.take() {
            node.request_release(&seat, Undone::AsBefore);
        }
    }
}

impl<'a> IntoFuture for Claiming<'a> {
    type Output = Result<Claim, ClaimError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.claim())
    }
}

impl fmt::Debug for Claiming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claiming")
            .field("key", &self.key)
            .field("on_lapse", &self.on_lapse)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
