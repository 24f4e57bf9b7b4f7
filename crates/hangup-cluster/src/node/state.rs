//! What the tasks of a node share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use hangup::Handle;
use hangup::runtime::Runtime;

use super::present::Present;
use super::seat::{LocalSeat, OnLapse, Refusal};
use super::seats::Seats;
use super::session::Session;
use crate::engine::{Claims, EngineError, Hints};
use crate::hint::Hint;
use crate::key::Key;
use crate::record::{Seat, SessionId, SessionRecord, SessionState};
use crate::signal::Signal;
use crate::waiters::Waiters;

/// What a node is made of.
pub(crate) struct Parts {
    pub(crate) claims: Arc<dyn Claims>,
    pub(crate) hints: Arc<dyn Hints>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) name: Arc<str>,
    pub(crate) timing: Timing,
    pub(crate) note: Box<dyn Fn() -> String + Send + Sync>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// The time to live of a session in the engine.
    pub(crate) lease: Duration,
    /// By how much the node takes its lease to be shorter.
    pub(crate) margin: Duration,
    /// How long a newcomer waits for a hint before it looks by itself.
    pub(crate) poll: Duration,
}

impl Timing {
    /// How long what has to be remembered is: that a session is buried, or that a key is dirty.
    pub(crate) const REMEMBER: Duration = Duration::from_secs(24 * 3600);

    pub(super) fn renewal(self) -> Duration {
        self.lease / 3
    }

    /// How long to wait before the next attempt after so many failures in a row.
    pub(super) fn retry(self, failures: u32) -> Duration {
        let first = (self.lease / 100).clamp(Duration::from_millis(1), Duration::from_millis(50));
        let most = (self.lease / 10).max(first);
        first.saturating_mul(1 << failures.min(10)).min(most)
    }
}

/// What the tasks of a node share.
pub(crate) struct Node {
    pub(crate) parts: Parts,
    state: Mutex<State>,
    /// For the task that renews: it is to leave, or its record is to change.
    pub(super) keeper: Signal,
    /// For the task that watches the lease: it has another one.
    pub(super) watchdog: Signal,
    /// It has left, or the seats have become fewer.
    pub(super) changed: Waiters,
    pub(super) present: Present,
    outage: Mutex<Outage>,
}

/// When the engine was away, as far as this node knows.
#[derive(Debug, Default)]
struct Outage {
    is_failing: bool,
    ended_at: Option<Instant>,
}

struct State {
    session: Arc<Session>,
    seats: Seats,
    stage: Stage,
}

/// Why a connection gets no seat.
#[derive(Debug)]
pub(crate) enum NoSeat {
    /// It has the key.
    Claimed,
    /// It has withdrawn from the key, and the engine has not taken that yet.
    Withdrawing(Arc<LocalSeat>),
    NoLease,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Running,
    Draining,
    Leaving,
    Left,
}

impl Node {
    pub(super) fn new(parts: Parts, session: Arc<Session>) -> Self {
        Self {
            parts,
            state: Mutex::new(State {
                session,
                seats: Seats::default(),
                stage: Stage::Running,
            }),
            keeper: Signal::default(),
            watchdog: Signal::default(),
            changed: Waiters::default(),
            present: Present::default(),
            outage: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn timing(&self) -> Timing {
        self.parts.timing
    }

    pub(crate) fn session(&self) -> Arc<Session> {
        Arc::clone(&self.state().session)
    }

    pub(super) fn set_session(&self, session: Arc<Session>) {
        self.state().session = session;
        self.watchdog.set();
    }

    pub(super) fn stage(&self) -> Stage {
        self.state().stage
    }

    /// Stages are entered in their order.
    pub(super) fn enter(&self, stage: Stage) {
        {
            let mut state = self.state();
            state.stage = state.stage.max(stage);
        }
        self.keeper.set();
        self.watchdog.set();
        self.changed.wake_all();
    }

    /// A renewal has failed, or has succeeded.
    pub(super) fn engine_answers(&self, answers: bool) {
        let now = self.parts.runtime.now();
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        if answers && outage.is_failing {
            outage.ended_at = Some(now);
        }
        outage.is_failing = !answers;
    }

    /// Whether the engine was away until a moment ago. Other nodes, whose sessions have run out in
    /// that time as well, get as long as a renewal takes to come back before one is buried.
    pub(super) fn is_after_outage(&self) -> bool {
        let now = self.parts.runtime.now();
        let outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |ended: Instant| now < ended + self.timing().renewal();
        outage.is_failing || outage.ended_at.is_some_and(is_recent)
    }

    /// How many seats there are.
    pub(crate) fn seats(&self) -> usize {
        self.state().seats.len()
    }

    /// A seat for a connection, if the node may claim now.
    pub(crate) fn seat(
        &self,
        key: &Key,
        handle: &Handle,
        on_lapse: OnLapse,
    ) -> Result<Arc<LocalSeat>, NoSeat> {
        let mut state = self.state();
        if let Some(seat) = state.seats.of(key, handle.id()) {
            return Err(match seat.is_owner() {
                true => NoSeat::Claimed,
                false => NoSeat::Withdrawing(Arc::clone(seat)),
            });
        }
        let session = Arc::clone(&state.session);
        if state.stage >= Stage::Leaving || !session.lease.is_valid() {
            return Err(NoSeat::NoLease);
        }
        let number = state.seats.next_number();
        let seat = Seat {
            session: session.id.clone(),
            number,
            node: self.parts.name.to_string(),
            connection: handle.id().to_string(),
        };
        let seat = LocalSeat::new(seat, key.clone(), session, handle.clone(), on_lapse);
        let seat = Arc::new(seat);
        state.seats.insert(Arc::clone(&seat));
        Ok(seat)
    }

    pub(super) fn get(&self, session: &SessionId, number: u64) -> Option<Arc<LocalSeat>> {
        let state = self.state();
        let seat = state.seats.get(number)?;
        (seat.seat.session == *session).then(|| Arc::clone(seat))
    }

    /// The seat is no part of its record any more.
    pub(crate) fn give_back(&self, seat: &LocalSeat, why: Option<Refusal>) {
        seat.release(why);
        // Dropped after the lock: the handle may be the last one of its connection.
        let removed = self.state().seats.remove(seat.seat.number);
        drop(removed);
        self.changed.wake_all();
    }

    /// Calls `f` with all seats, in portions, with no lock held.
    pub(super) fn for_each_seat(&self, mut f: impl FnMut(&Arc<LocalSeat>)) {
        let mut after = 0;
        loop {
            let portion = self.state().seats.portion(after);
            let Some(last) = portion.last() else { return };
            after = last.seat.number;
            portion.iter().for_each(&mut f);
        }
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.parts.runtime.sleep(duration).await;
    }

    /// Waits for `signal`, at most for so long.
    pub(super) async fn wait(&self, signal: &Signal, at_most: Duration) {
        let waiting = std::pin::pin!(signal.wait());
        match select(waiting, self.parts.runtime.sleep(at_most)).await {
            Either::Left(_) | Either::Right(_) => {}
        }
    }

    /// What the engine knows of a session. `None` if its lease has run out.
    pub(crate) async fn load_session(
        &self,
        id: &SessionId,
    ) -> Result<Option<SessionRecord>, EngineError> {
        let record = self.parts.claims.load(&id.record()).await?;
        record.as_ref().map(SessionRecord::parse).transpose()
    }

    pub(super) fn session_record(&self, state: SessionState) -> SessionRecord {
        SessionRecord {
            node: self.parts.name.to_string(),
            state,
            // Code of the application: without a note the session is renewed all the same.
            note: catch_unwind(AssertUnwindSafe(&self.parts.note)).unwrap_or_default(),
        }
    }

    /// Tells the node of `session`. It may be lost.
    pub(crate) async fn tell(&self, session: &SessionId, hint: &Hint) {
        // The error says no more than that it may be lost.
        drop(self.parts.hints.send(session.inbox(), hint.encode()).await);
    }
}
