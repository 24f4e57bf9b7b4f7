//! A call on its way from a node to the store and back.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::fate::{Call, Fate, Method};
use super::store::{State, Store};
use super::wire::Wire;
use crate::engine::EngineError;

const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A call that has left its node.
pub(super) struct Request<W> {
    store: Arc<Store>,
    wire: Arc<Wire>,
    /// The life that the node had adopted, or 0.
    adopted: u64,
    /// How often the engine had started anew.
    restarts: u64,
    /// When its outcome is unknown.
    deadline: Instant,
    work: W,
}

/// What a request does at the store. The flag says that the answer is to be a stale one.
pub(super) trait Work<T>:
    FnOnce(&mut State, bool) -> Result<T, EngineError> + Send + 'static
{
}

impl<T, W> Work<T> for W where W: FnOnce(&mut State, bool) -> Result<T, EngineError> + Send + 'static
{}

pub(super) async fn ask<T, W>(
    store: &Arc<Store>,
    wire: &Arc<Wire>,
    call: &Call,
    work: W,
) -> Result<T, EngineError>
where
    T: Send + 'static,
    W: Work<T>,
{
    let fate = wire.fate(call);
    let request = Request::new(store, wire, call, work);
    step(wire).await;
    let back = request.way_back();
    let answer = match fate {
        Fate::Answer | Fate::Stale | Fate::Lose { .. } | Fate::DelayAnswer(_) => {
            if fate == (Fate::Lose { applied: false }) {
                step(wire).await;
                return Err(lost());
            }
            request.apply(fate == Fate::Stale)
        }
        Fate::Delay(delay) if back.left() <= delay => {
            request.apply_later(delay);
            return Err(back.no_answer().await);
        }
        Fate::Delay(delay) => {
            store.runtime.sleep(delay).await;
            request.apply(false)
        }
        Fate::Late(delay) => {
            request.apply_later(delay);
            step(wire).await;
            return Err(lost());
        }
    };
    match fate {
        Fate::DelayAnswer(delay) if back.left() <= delay => {
            return Err(back.no_answer().await);
        }
        Fate::DelayAnswer(delay) => store.runtime.sleep(delay).await,
        Fate::Answer | Fate::Lose { .. } | Fate::Delay(_) | Fate::Late(_) | Fate::Stale => {}
    }
    step(wire).await;
    match answer {
        Some(_) if fate == (Fate::Lose { applied: true }) => Err(lost()),
        Some(answer) => back.arrive(answer).await,
        None => Err(back.no_answer().await),
    }
}

impl<W> Request<W> {
    fn new(store: &Arc<Store>, wire: &Arc<Wire>, call: &Call, work: W) -> Self {
        let adopted = match call.method {
            // It is about whatever life there is.
            Method::Adopt => 0,
            _ => wire.adopted.load(Ordering::Acquire),
        };
        let (now, restarts) = store.with(|state| (state.now, state.restarts));
        Self {
            store: Arc::clone(store),
            wire: Arc::clone(wire),
            adopted,
            restarts,
            // Within what the clock can say.
            deadline: now + store.limits.timeout.min(A_YEAR),
            work,
        }
    }

    fn way_back(&self) -> WayBack {
        WayBack {
            store: Arc::clone(&self.store),
            wire: Arc::clone(&self.wire),
            restarts: self.restarts,
            deadline: self.deadline,
        }
    }

    /// Takes effect, unless the node is cut off: `None`.
    fn apply<T>(self, is_stale: bool) -> Option<Result<T, EngineError>>
    where
        W: Work<T>,
    {
        self.store.with(|state| {
            if self.wire.is_cut.load(Ordering::Acquire) {
                return None;
            }
            if self.adopted != 0 && self.adopted != state.life {
                return Some(Err(EngineError::Forgotten));
            }
            if self.restarts != state.restarts {
                return Some(Err(restarted()));
            }
            Some((self.work)(state, is_stale))
        })
    }

    /// Takes effect later, cut off or not, as what is on its way does.
    fn apply_later<T>(self, delay: Duration)
    where
        T: 'static,
        W: Work<T>,
    {
        let arrival = self.store.runtime.sleep(delay);
        let runtime = Arc::clone(&self.store.runtime);
        runtime.spawn(Box::pin(async move {
            arrival.await;
            let answer = self.store.with(|state| {
                let is_same_life = self.adopted == 0 || self.adopted == state.life;
                is_same_life.then(|| (self.work)(state, false))
            });
            // Behind the lock, since it may be a stream.
            drop(answer);
        }));
    }
}

/// The way of an answer.
struct WayBack {
    store: Arc<Store>,
    wire: Arc<Wire>,
    restarts: u64,
    deadline: Instant,
}

impl WayBack {
    async fn arrive<T>(self, answer: Result<T, EngineError>) -> Result<T, EngineError> {
        let (is_cut, restarts) = {
            let wire = &self.wire;
            let cut = |state: &mut State| (wire.is_cut.load(Ordering::Acquire), state.restarts);
            self.store.with(cut)
        };
        match answer {
            _ if is_cut => Err(self.no_answer().await),
            Err(error @ (EngineError::Forgotten | EngineError::TooLarge { .. })) => Err(error),
            _ if restarts != self.restarts => Err(restarted()),
            answer => answer,
        }
    }

    /// How long an answer is waited for.
    fn left(&self) -> Duration {
        let now = self.store.runtime.now();
        self.deadline.saturating_duration_since(now)
    }

    /// The outcome is unknown when the time is up.
    async fn no_answer(self) -> EngineError {
        self.store.runtime.sleep(self.left()).await;
        EngineError::unknown("no answer in time")
    }
}

/// One point at which another task may run.
async fn step(wire: &Wire) {
    let mut has_yielded = !wire.is_by_steps.load(Ordering::Acquire);
    poll_fn(|cx| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn lost() -> EngineError {
    EngineError::unknown("the answer was lost")
}

fn restarted() -> EngineError {
    EngineError::unknown("the engine has restarted")
}
