//! The task that keeps the session of a node: it alone is renewed, however many keys are claimed.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use hangup::{CloseReason, Closed};

use super::moment::Moment;
use super::session::Session;
use super::state::{Node, Parts, Stage, Timing};
use crate::engine::{EngineError, Revision, Swapped};
use crate::record::{SessionRecord, SessionState};

/// What the task knows of its session.
pub(crate) struct Keeping {
    session: Arc<Session>,
    revision: Revision,
    /// When the latest renewal that succeeded was sent.
    sent_at: Moment,
    /// It is in the roster.
    is_listed: bool,
}

/// How often a renewal is tried before it counts as failed.
const ATTEMPTS: usize = 4;

/// How a session has ended.
enum End {
    Left,
    Lost,
}

/// A node with its first session.
pub(crate) async fn join(parts: Parts) -> Result<(Arc<Node>, Keeping), EngineError> {
    parts.claims.adopt().await?;
    let session = Arc::new(Session::new(Arc::clone(&parts.runtime)));
    let node = Arc::new(Node::new(parts, session));
    let keeping = open(&node, node.session()).await?;
    Ok((node, keeping))
}

/// Writes the record of a new session.
async fn open(node: &Arc<Node>, session: Arc<Session>) -> Result<Keeping, EngineError> {
    if node.is_young().await? {
        // Longer than any owner acts that the engine does not know.
        session.set_young_until(node.parts.runtime.now() + node.timing().lease);
    }
    let sent_at = node.moment();
    let record = node.session_record(SessionState::Alive).encode();
    let lease = node.timing().lease;
    let (claims, name) = (&node.parts.claims, session.id.record());
    let written = claims.swap(&name, None, record, Some(lease));
    match written.await? {
        Swapped::Done(revision) => {
            session.renew(sent_at.instant + (lease - node.timing().margin));
            Ok(Keeping {
                session,
                revision,
                sent_at,
                is_listed: false,
            })
        }
        // Nothing but this session writes there.
        Swapped::Conflict => Err(EngineError::unknown("the session exists already")),
    }
}

/// Renews the session, and opens another one if it is lost, until the node leaves.
pub(crate) async fn keep(node: Arc<Node>, mut keeping: Keeping) {
    loop {
        let session = Arc::clone(&keeping.session);
        let inbox = Arc::clone(&node).read_inbox(Arc::clone(&session));
        node.parts.runtime.spawn(Box::pin(inbox));
        let end = keeping.keep(&node).await;
        session.end();
        node.close_seats(&session, CloseReason::Lost);
        if let End::Left = end {
            node.enter(Stage::Left);
            return;
        }
        let mut failures = 0;
        keeping = loop {
            if node.stage() >= Stage::Leaving {
                node.enter(Stage::Left);
                return;
            }
            match reopen(&node).await {
                Ok(keeping) => break keeping,
                Err(_) => failures += 1,
            }
            let retry = node.timing().retry(failures);
            node.wait(&node.keeper, retry).await;
        };
        node.set_session(Arc::clone(&keeping.session));
        node.write_all_presences();
    }
}

async fn reopen(node: &Arc<Node>) -> Result<Keeping, EngineError> {
    // It may be another life of the engine.
    node.parts.claims.adopt().await?;
    let session = Arc::new(Session::new(Arc::clone(&node.parts.runtime)));
    open(node, session).await
}

impl Keeping {
    async fn keep(&mut self, node: &Arc<Node>) -> End {
        let mut failures = 0;
        self.enlist(node).await;
        loop {
            let wait = match failures {
                0 => {
                    let due = self.sent_at.instant + node.timing().renewal();
                    due.saturating_duration_since(node.parts.runtime.now())
                }
                _ => node.timing().retry(failures),
            };
            node.wait(&node.keeper, wait).await;
            if node.stage() >= Stage::Leaving {
                self.leave(node).await;
                return End::Left;
            }
            match self.renew_in_time(node).await {
                Ok(None) => {
                    failures = 0;
                    self.enlist(node).await;
                }
                Ok(Some(end)) => return end,
                Err(_) => failures += 1,
            }
            node.engine_answers(failures == 0);
        }
    }

    /// A renewal without an answer does not hold up the next one for as long as the engine waits. What
    /// was sent may take effect all the same, and the next one finds that.
    async fn renew_in_time(&mut self, node: &Arc<Node>) -> Result<Option<End>, EngineError> {
        let at_most = node.parts.runtime.sleep(node.timing().renewal() / 2);
        match select(pin!(self.renew(node)), at_most).await {
            Either::Left((renewed, _)) => renewed,
            Either::Right(_) => Err(EngineError::unknown("a renewal takes too long")),
        }
    }

    /// Tried again at the next renewal if it fails.
    async fn enlist(&mut self, node: &Arc<Node>) {
        if !self.is_listed {
            self.is_listed = node.enlist(&self.session).await.is_ok();
        }
    }

    /// `Some` if the session has ended.
    async fn renew(&mut self, node: &Arc<Node>) -> Result<Option<End>, EngineError> {
        let state = match node.stage() {
            Stage::Draining => SessionState::Draining,
            Stage::Running | Stage::Leaving | Stage::Left => SessionState::Alive,
        };
        let name = self.session.id.record();
        let claims = &node.parts.claims;
        let lease = node.timing().lease;
        let mut expected = Some(self.revision);
        // Its record is written by this task alone, and once more by what buries it.
        for _ in 0..ATTEMPTS {
            let sent_at = node.moment();
            // What has buried it might be forgotten by now.
            if self.sent_at.until(sent_at) > Timing::REMEMBER / 2 {
                return Ok(Some(End::Lost));
            }
            let record = node.session_record(state).encode();
            match claims.swap(&name, expected, record, Some(lease)).await {
                Ok(Swapped::Done(revision)) => {
                    (self.revision, self.sent_at) = (revision, sent_at);
                    let had_lapsed = !self.session.lease.is_valid();
                    self.session
                        .renew(sent_at.instant + (lease - node.timing().margin));
                    node.watchdog.set();
                    if had_lapsed {
                        node.for_each_seat(|seat| seat.gates.wake_all());
                    }
                    return Ok(None);
                }
                Ok(Swapped::Conflict) => {}
                Err(EngineError::Forgotten) => return Ok(Some(End::Lost)),
                Err(error) => return Err(error),
            }
            // An earlier renewal has taken effect without an answer; or its time has passed, and it
            // comes back by a write, unless a newcomer has buried it.
            expected = match claims.load(&name).await {
                Ok(None) => None,
                Ok(Some(record)) => {
                    let revision = record.revision;
                    match SessionRecord::parse(&record)?.is_alive() {
                        true => Some(revision),
                        false => return Ok(Some(End::Lost)),
                    }
                }
                Err(EngineError::Forgotten) => return Ok(Some(End::Lost)),
                Err(error) => return Err(error),
            };
        }
        Err(EngineError::unknown(
            "the session does not stay as it was read",
        ))
    }

    /// Ends what is still there, and then says to all that the session is over: one write frees all
    /// that it has.
    async fn leave(&mut self, node: &Arc<Node>) {
        node.close_seats(&self.session, CloseReason::Shutdown);
        node.seats_given_back(node.timing().margin).await;
        // From here on nothing that is gated goes on, and nothing that is left writes.
        self.session.end();
        let state = match node.seats() {
            0 => SessionState::EndedClean,
            _ => SessionState::EndedUnclean,
        };
        let name = self.session.id.record();
        let claims = &node.parts.claims;
        let mut expected = Some(self.revision);
        // After the lease it is over in any case.
        let over = node.parts.runtime.now() + node.timing().lease;
        let mut failures = 0;
        while node.parts.runtime.now() < over {
            let record = node.session_record(state).encode();
            match claims
                .swap(&name, expected, record, Some(Timing::REMEMBER))
                .await
            {
                Ok(Swapped::Done(_)) | Err(EngineError::Forgotten) => return,
                Ok(Swapped::Conflict) => {}
                Err(_) => failures += 1,
            }
            match claims.load(&name).await {
                Ok(Some(record)) => match SessionRecord::parse(&record) {
                    Ok(session) if session.is_alive() => expected = Some(record.revision),
                    Ok(_) | Err(_) => return,
                },
                Ok(None) => expected = None,
                Err(EngineError::Forgotten) => return,
                Err(_) => failures += 1,
            }
            if failures > 0 {
                node.sleep(node.timing().retry(failures)).await;
            }
        }
    }
}

impl Node {
    fn moment(&self) -> Moment {
        Moment::now(&*self.parts.runtime)
    }

    /// Closes all connections that have a seat of this session.
    pub(super) fn close_seats(&self, session: &Arc<Session>, reason: CloseReason) {
        self.for_each_seat(|seat| {
            if Arc::ptr_eq(&seat.session, session) {
                // `Err` if it had closed.
                let _: Result<(), Closed> = seat.handle.close(reason);
                seat.look.set();
                seat.gates.wake_all();
            }
        });
    }
}
