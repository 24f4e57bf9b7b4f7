//! Writing a seat into its record, until it is the owner.

use std::sync::Arc;

use hangup::{CloseReason, Closed};

use super::release::Doubt;
use super::seat::{LocalSeat, Owned, Predecessor, Refusal, Undone};
use super::state::{Node, Timing};
use crate::engine::{EngineError, Revision, Swapped};
use crate::hint::Hint;
use crate::record::{ClaimRecord, Look, Seat, SessionId, SessionState};

impl Node {
    /// Begins to acquire the key of `seat`, on a task of its own: so it is never dropped between a
    /// write and its answer.
    pub(crate) fn acquire(self: &Arc<Self>, seat: &Arc<LocalSeat>) {
        let acquisition = Acquisition {
            node: Arc::clone(self),
            seat: Arc::clone(seat),
            known: None,
            doubt: None,
            waits_for: None,
            has_ended: false,
        };
        self.parts.runtime.spawn(Box::pin(acquisition.run()));
    }
}

/// The duty of the task: the seat is owned or given back when it ends, also if it is dropped.
struct Acquisition {
    node: Arc<Node>,
    seat: Arc<LocalSeat>,
    known: Option<(ClaimRecord, Revision)>,
    doubt: Option<Doubt>,
    /// The owner, while this seat has the reservation.
    waits_for: Option<Seat>,
    has_ended: bool,
}

impl Drop for Acquisition {
    fn drop(&mut self) {
        if !self.has_ended {
            self.node.give_back(&self.seat, Some(Refusal::Gone));
        }
    }
}

/// What a record asks for.
enum Step {
    Done(Owned),
    Write(ClaimRecord),
    /// It has the reservation, and this owner has not settled.
    WaitFor(Seat),
    /// A reservation that came later has replaced it.
    Replaced,
}

/// What the engine knows of the session of an owner.
enum OwnerIs {
    Alive,
    /// Its node has left or died, and does not act again.
    Over {
        unclean: bool,
    },
}

impl Acquisition {
    async fn run(mut self) {
        let refusal = match self.acquire().await {
            // A lease that has lapsed in between: others may take the key already.
            Ok(_) if !self.seat.session.lease.is_valid() => Refusal::Unavailable(None),
            Ok(owned) => {
                if self.seat.own(owned) {
                    self.has_ended = true;
                    return;
                }
                Refusal::Gone
            }
            Err(refusal) => refusal,
        };
        let known = self.known.take();
        let (node, seat) = (Arc::clone(&self.node), Arc::clone(&self.seat));
        let is_over = || seat.session.lease.is_lost();
        node.take_out(
            &seat.key,
            &seat.seat,
            known,
            self.doubt,
            Undone::AsBefore,
            is_over,
        )
        .await;
        self.has_ended = true;
        node.give_back(&seat, Some(refusal));
    }

    /// Writes until the record says that the seat is the owner.
    async fn acquire(&mut self) -> Result<Owned, Refusal> {
        let (node, seat) = (Arc::clone(&self.node), Arc::clone(&self.seat));
        let name = seat.key.claim();
        let (mut failures, mut conflicts) = (0, 0_u32);
        // A free key is one write: it is read only after a conflict.
        let mut is_read = true;
        loop {
            if failures > 0 {
                let retry = node.timing().retry(failures);
                node.wait(&seat.look, retry).await;
            }
            if seat.is_withdrawn() {
                return Err(Refusal::Gone);
            }
            if seat.session.lease.is_lost() {
                return Err(Refusal::Unavailable(None));
            }
            if !is_read {
                match node.load_claim(&name).await {
                    Ok(known) => self.known = known,
                    Err(error) => {
                        failures = self.failed(error, failures)?;
                        continue;
                    }
                }
            }
            let step = match self.step().await {
                Ok(step) => step,
                Err(error) => {
                    failures = self.failed(error, failures)?;
                    continue;
                }
            };
            is_read = false;
            match step {
                Step::Done(owned) => return Ok(owned),
                Step::WaitFor(owner) => {
                    failures = 0;
                    self.wait_for(owner).await;
                }
                Step::Replaced => {
                    let words = "a later newcomer has claimed the key";
                    // `Err` if it had closed.
                    let closed = seat.handle.close_with(CloseReason::Superseded, words);
                    let _: Result<(), Closed> = closed;
                    return Err(Refusal::Gone);
                }
                // A call that begins now might be one on another life of the engine.
                Step::Write(_) if seat.session.lease.is_lost() => {
                    return Err(Refusal::Unavailable(None));
                }
                Step::Write(record) => {
                    let expected = self.known.as_ref().map(|(_, revision)| *revision);
                    let written = node
                        .parts
                        .claims
                        .swap(&name, expected, record.encode(), None);
                    match written.await {
                        Ok(Swapped::Done(revision)) => {
                            failures = 0;
                            self.known = Some((record, revision));
                            is_read = true;
                        }
                        Ok(Swapped::Conflict) => {
                            conflicts += 1;
                            self.give_way(conflicts).await;
                        }
                        Err(error) => {
                            // Any other error says that nothing was done.
                            if let EngineError::Unknown(_) = error {
                                self.doubt = Some(Doubt(expected));
                            }
                            failures = self.failed(error, failures)?;
                        }
                    }
                }
            }
        }
    }

    /// What the record as it is known asks for.
    async fn step(&self) -> Result<Step, EngineError> {
        let me = &self.seat.seat;
        let now = self.node.parts.runtime.now();
        let is_young = self.seat.session.is_young(now);
        let Some((record, revision)) = &self.known else {
            return Ok(Step::Write(ClaimRecord::default().owned_by(me, is_young)));
        };
        let (owner, is_next) = match record.look(me, *revision) {
            Look::Owner(epoch) => {
                let predecessor = match record.dirty {
                    false => Predecessor::Settled,
                    true => Predecessor::Unsettled,
                };
                return Ok(Step::Done(Owned {
                    epoch,
                    predecessor,
                    record: record.clone(),
                    revision: *revision,
                }));
            }
            // It was released in this life of the engine.
            Look::Free => return Ok(Step::Write(record.owned_by(me, false))),
            Look::Next(owner) => (owner, true),
            Look::Held(owner) => (owner, false),
        };
        // Behind the same owner as before there may be no newcomer: the later one has gone.
        let is_replaced = self
            .waits_for
            .as_ref()
            .is_some_and(|waits_for| !is_next && (waits_for != owner || record.next.is_some()));
        if is_replaced {
            return Ok(Step::Replaced);
        }
        Ok(match self.owner_is(&owner.session).await? {
            OwnerIs::Over { unclean } => Step::Write(record.owned_by(me, unclean)),
            OwnerIs::Alive if is_next => Step::WaitFor(owner.clone()),
            OwnerIs::Alive => Step::Write(record.reserved_by(me, *revision)),
        })
    }

    /// A session whose lease has run out is buried by a write: after that it cannot come back, and
    /// a read of what is stale buries none.
    async fn owner_is(&self, session: &SessionId) -> Result<OwnerIs, EngineError> {
        if *session == self.seat.session.id {
            return Ok(OwnerIs::Alive);
        }
        if let Some(record) = self.node.load_session(session).await? {
            return Ok(match record.state {
                SessionState::Alive | SessionState::Draining => OwnerIs::Alive,
                SessionState::EndedClean => OwnerIs::Over { unclean: false },
                SessionState::EndedUnclean => OwnerIs::Over { unclean: true },
            });
        }
        if self.node.is_after_outage() {
            return Ok(OwnerIs::Alive);
        }
        let tombstone = self
            .node
            .session_record(SessionState::EndedUnclean)
            .encode();
        let (claims, name) = (&self.node.parts.claims, session.record());
        let buried = claims.swap(&name, None, tombstone, Some(Timing::REMEMBER));
        match buried.await? {
            Swapped::Done(_) => Ok(OwnerIs::Over { unclean: true }),
            // The read was stale, or it has come back since, or another newcomer has buried it.
            Swapped::Conflict => Err(EngineError::unknown("the session has changed")),
        }
    }

    /// Tells the owner that it is to end, and waits for its node to say that it has.
    async fn wait_for(&mut self, owner: Seat) {
        let (node, seat) = (&self.node, &self.seat);
        seat.set_reserved();
        let wanted = Hint::Wanted {
            key: seat.key.encoded().to_owned(),
            seat: owner.clone(),
            by: node.parts.name.to_string(),
        };
        if owner.session == seat.session.id {
            node.receive(&seat.session, wanted);
        } else {
            node.tell(&owner.session, &wanted).await;
        }
        // The hints may be lost.
        node.wait(&seat.look, node.timing().poll).await;
        self.waits_for = Some(owner);
    }

    /// Many newcomers on one key would make each other's writes fail: each gives way for a time of
    /// its own. The first conflict is that with the owner.
    async fn give_way(&self, conflicts: u32) {
        if conflicts > 1 {
            let number = self.seat.seat.number;
            // Fibonacci hashing: numbers in a row are far apart.
            let share = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
            let longest = self.node.timing().retry(conflicts - 2);
            let pause = longest * u32::try_from(share).unwrap_or(1) / 256;
            self.node.wait(&self.seat.look, pause).await;
        }
    }

    /// How many failures these are in a row; an error if no attempt would help.
    fn failed(&self, error: EngineError, failures: u32) -> Result<u32, Refusal> {
        match error {
            EngineError::Unknown(_) => Ok(failures + 1),
            EngineError::Forgotten => {
                // It opens another session.
                self.node.keeper.set();
                Err(Refusal::Unavailable(Some(error)))
            }
            EngineError::TooLarge { .. } => Err(Refusal::Unavailable(Some(error))),
        }
    }
}
