//! Taking a seat out of its record.

use std::sync::Arc;

use super::seat::{LocalSeat, Owned, SeatPhase, Undone};
use super::state::{Node, Timing};
use crate::engine::{EngineError, Revision, Swapped};
use crate::hint::Hint;
use crate::key::Key;
use crate::record::{ClaimRecord, Seat};

/// A write whose outcome is not known: it may still take effect if the record has this revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Doubt(pub(super) Option<Revision>);

impl Node {
    /// Withdraws what is being acquired, and releases what is owned. The task that does it goes on
    /// if the caller does not wait for it.
    pub(crate) fn request_release(self: &Arc<Self>, seat: &Arc<LocalSeat>, undone: Undone) {
        let owned = {
            let mut phase = seat.phase();
            match std::mem::replace(&mut *phase, SeatPhase::Releasing) {
                SeatPhase::Owner(owned) => Some(owned),
                SeatPhase::Acquiring { reserved, .. } => {
                    *phase = SeatPhase::Acquiring {
                        withdrawn: true,
                        reserved,
                    };
                    None
                }
                other => {
                    *phase = other;
                    return;
                }
            }
        };
        match owned {
            None => seat.look.set(),
            Some(owned) => {
                let (node, seat) = (Arc::clone(self), Arc::clone(seat));
                let runtime = Arc::clone(&self.parts.runtime);
                runtime.spawn(Box::pin(async move {
                    let release = Release(node, seat);
                    release.0.release(&release.1, owned, undone).await;
                }));
            }
        }
    }

    /// Takes the owner out of the record: the next one owns the key then.
    async fn release(self: &Arc<Self>, seat: &LocalSeat, owned: Owned, undone: Undone) {
        let known = Some((owned.record, owned.revision));
        let is_over = || seat.session.lease.is_lost();
        self.take_out(&seat.key, &seat.seat, known, None, undone, is_over)
            .await;
    }

    /// Writes until the record has no part of `me`, now and later: a write in doubt may still take
    /// effect, unless another one has changed the revision that it expects.
    ///
    /// Without an end, unless the session is lost: then all that names it is dead.
    pub(super) async fn take_out(
        self: &Arc<Self>,
        key: &Key,
        me: &Seat,
        mut known: Option<(ClaimRecord, Revision)>,
        mut doubt: Option<Doubt>,
        undone: Undone,
        is_over: impl Fn() -> bool,
    ) {
        let name = key.claim();
        let (mut failures, mut conflicts) = (0, 0);
        loop {
            if failures > 0 {
                self.sleep(self.timing().retry(failures)).await;
            }
            if is_over() {
                return;
            }
            if known.is_none() {
                known = match self.load_claim(&name).await {
                    Ok(Some(record)) => Some(record),
                    // A record that is absent has no part of it, unless a write is still to come.
                    Ok(None) if doubt != Some(Doubt(None)) => return,
                    Ok(None) => None,
                    Err(_) => {
                        failures += 1;
                        continue;
                    }
                };
            }
            let expected = known.as_ref().map(|(_, revision)| *revision);
            let without = match &known {
                Some((record, revision)) => {
                    match record.without(me, *revision, undone.is_dirty(record.dirty)) {
                        Some(without) => without,
                        // The same once more: the write in doubt expects an older revision then.
                        None if doubt == Some(Doubt(expected)) => record.clone(),
                        None => return,
                    }
                }
                None => ClaimRecord::default(),
            };
            let ttl = match &without.owner {
                Some(_) => None,
                None if without.dirty => Some(Timing::REMEMBER),
                // It may as well be absent.
                None => Some(self.timing().lease),
            };
            // A call that begins after the session was lost might be one on another life of the
            // engine.
            if is_over() {
                return;
            }
            let written = self
                .parts
                .claims
                .swap(&name, expected, without.encode(), ttl);
            match written.await {
                Ok(Swapped::Done(_)) => {
                    if let Some(owner) = without.owner.filter(|owner| owner != me) {
                        let number = owner.number;
                        self.tell(&owner.session, &Hint::Look { number }).await;
                    }
                    return;
                }
                Ok(Swapped::Conflict) => {
                    conflicts += 1;
                    // The first ones are those of newcomers.
                    failures = u32::from(conflicts > 2);
                }
                Err(EngineError::Forgotten) => return,
                Err(_) => {
                    failures += 1;
                    doubt = Some(Doubt(expected));
                }
            }
            known = None;
        }
    }

    pub(crate) async fn load_claim(
        &self,
        name: &str,
    ) -> Result<Option<(ClaimRecord, Revision)>, EngineError> {
        match self.parts.claims.load(name).await? {
            Some(record) => Ok(Some((ClaimRecord::parse(&record)?, record.revision))),
            None => Ok(None),
        }
    }
}

/// The duty to give the seat back, also if the task is dropped.
struct Release(Arc<Node>, Arc<LocalSeat>);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.give_back(&self.1, None);
    }
}
