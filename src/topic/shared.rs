//! What a topic and its subscriptions share: the log, those who wait, and one lock for both.

use std::sync::Arc;
use std::time::Instant;

use super::backfill::Backfill;
use super::clock::Clock;
use super::cursor::Cursor;
use super::error::PublishError;
use super::log::{Log, Position};
use super::published::{Entry, Published};
use super::replay::Replay;
use super::retention::Lane;
use super::ring::Evicted;
use super::told::Told;
use super::waiting::{Out, TakeOut, Waiting};
use super::waker_kinds::WakerKinds;
use crate::panic::catch_panic;
use crate::runtime::Runtime;
use crate::state::CloseReason;
use crate::sync::baton::Baton;
use crate::sync::{AtomicU64, Mutex, Ordering, lock};

pub(super) struct Shared<T> {
    /// It goes on with all that a subscriber has to look at: an item, a reset, the close.
    ///
    /// It is written under the lock. A subscriber reads it without: if it still is what it has
    /// seen, it still waits, and whatever comes wakes it.
    version: AtomicU64,
    pub(super) state: Mutex<State<T>>,
    pub(super) wakers: WakerKinds,
    clock: Clock,
    hand_over: Option<HandOver<T>>,
    pub(super) backfill: Option<Backfill<T>>,
    /// Told of each subscription that ends.
    pub(super) membership: Option<Box<dyn Membership>>,
}

pub(super) struct State<T> {
    pub(super) log: Log<T>,
    pub(super) waiting: Waiting,
    /// Held by the thread that wakes.
    waker: Baton,
    pub(super) closed: Option<CloseReason>,
    pub(super) subscribers: usize,
    /// The latest time that was told, if it is told by hand.
    told: Option<Instant>,
    /// What the version of the topic is, for those who hold the lock. So the atomic is written by
    /// publishers and read by subscribers, and no model takes a publisher's own read for the
    /// last one.
    pub(super) version: u64,
}

/// Where a subscription starts.
pub(super) struct Start {
    pub(super) position: Position,
    /// What it needs no telling of.
    pub(super) told: Told,
    pub(super) is_gap: bool,
}

/// The group of topics that a topic belongs to.
pub(super) trait Membership: Send + Sync {
    /// A subscription has ended. No lock is held.
    fn unsubscribed(&self);
}

/// Where the wakes go that the publisher does not make itself.
pub(super) struct HandOver<T> {
    /// The most wakes that a call which publishes makes.
    pub(super) inline: usize,
    pub(super) runtime: Arc<dyn Runtime>,
    /// A function, so that only the builder needs the bounds on `T`.
    pub(super) spawn: fn(&dyn Runtime, Waking<T>),
}

impl<T> Clone for HandOver<T> {
    fn clone(&self) -> Self {
        Self {
            inline: self.inline,
            runtime: Arc::clone(&self.runtime),
            spawn: self.spawn,
        }
    }
}

impl<T> Shared<T> {
    pub(super) fn new(
        log: Log<T>,
        clock: Clock,
        hand_over: Option<HandOver<T>>,
        backfill: Option<Backfill<T>>,
        membership: Option<Box<dyn Membership>>,
    ) -> Arc<Self> {
        let state = State {
            log,
            waiting: Waiting::default(),
            waker: Baton::default(),
            closed: None,
            subscribers: 0,
            told: clock.told(),
            version: 0,
        };
        Arc::new(Self {
            version: AtomicU64::new(0),
            wakers: WakerKinds::default(),
            state: Mutex::new(state),
            clock,
            hand_over,
            backfill,
            membership,
        })
    }

    /// The version, read without the lock.
    #[inline]
    pub(super) fn version(&self) -> u64 {
        // ORDERING: `Relaxed`, since nothing that the writer wrote is used by it: a reader that
        // sees another version takes the lock. One that was woken, or told by other means that
        // an item is there, sees the version of that item, since the write came before the wake.
        // One that sees an older version than there is still waits, and its wake is under way.
        self.version.load(Ordering::Relaxed)
    }

    /// Makes all who wait due. The lock is held. Begins a walk that wakes them, unless another
    /// thread is on one: then that one wakes them.
    fn advance(&self, state: &mut State<T>, walk: &mut Walk) {
        state.version += 1;
        // ORDERING: `Relaxed`, as in `version`.
        self.version.store(state.version, Ordering::Relaxed);
        if state.waker.take(|| ()) {
            walk.begin(state);
        }
    }

    /// Publishes what `make` makes of its cursor. `make` runs under the lock: it must not be
    /// user code (I8).
    pub(super) fn publish(
        self: &Arc<Self>,
        lane: Lane,
        at: Option<Cursor>,
        size: usize,
        make: impl FnOnce(Cursor) -> T,
    ) -> Result<Cursor, PublishError> {
        let now = self.clock.now();
        let mut evicted = Evicted::default();
        // On an error the item, which `make` owns, is dropped after the lock is released.
        let make = make;
        let mut walk = Walk::default();
        let (cursor, more) = {
            let mut state = lock(&self.state);
            let state = &mut *state;
            if let Some(reason) = state.closed {
                return Err(PublishError::Closed(reason));
            }
            let ring = state.log.ring(lane, size)?;
            let cursor = match at {
                Some(cursor) => state.log.check(cursor)?,
                None => state.log.next_cursor()?,
            };
            let now = now.or(state.told);
            let item = Published::new(Entry {
                cursor,
                at: now,
                size,
                item: make(cursor),
            });
            state.log.push(ring, item);
            let more = state.log.evict(now, &mut evicted);
            self.advance(state, &mut walk);
            (cursor, more)
        };
        self.wake(walk);
        drop(evicted);
        if more {
            self.evict(now);
        }
        Ok(cursor)
    }

    /// Drops what exceeds the retention.
    fn evict(&self, now: Option<Instant>) {
        loop {
            let mut evicted = Evicted::default();
            let more = {
                let mut state = lock(&self.state);
                let now = now.or(state.told);
                state.log.evict(now, &mut evicted)
            };
            drop(evicted);
            if !more {
                return;
            }
        }
    }

    /// Drops what is too old. `now` counts if time is told by hand.
    pub(super) fn expire(&self, now: Instant) {
        if matches!(self.clock, Clock::ByHand(_)) {
            let mut state = lock(&self.state);
            state.told = state.told.max(Some(now));
        }
        self.evict(Some(now));
    }

    /// Drops what is too old by the topic's own clock.
    pub(super) fn expire_as_told(&self) {
        match self.clock {
            Clock::Off => {}
            Clock::Runtime(_) | Clock::ByHand(_) => self.evict(self.clock.now()),
        }
    }

    /// Counts a subscriber, and says where it starts.
    pub(super) fn subscribe(&self, replay: Replay) -> Start {
        let mut state = lock(&self.state);
        state.subscribers += 1;
        let log = &state.log;
        let (position, told) = match replay {
            Replay::Now => (Position::new(log.end()), Told::default()),
            Replay::All => log.beginning(),
            Replay::After(cursor) => (Position::new(cursor), Told::default()),
        };
        Start {
            is_gap: log.starts_with_gap(&position, &told),
            position,
            told,
        }
    }

    pub(super) fn reset(self: &Arc<Self>, start: Cursor) -> Result<(), PublishError> {
        let mut walk = Walk::default();
        let forgotten = {
            let mut state = lock(&self.state);
            // What was accepted before the close still arrives.
            if let Some(reason) = state.closed {
                return Err(PublishError::Closed(reason));
            }
            state.log.check_start(start)?;
            let forgotten = state.log.reset(start);
            self.advance(&mut state, &mut walk);
            forgotten
        };
        self.wake(walk);
        drop(forgotten);
        Ok(())
    }

    /// Returns whether this call closed it.
    pub(super) fn close(self: &Arc<Self>, reason: CloseReason) -> bool {
        let begun = self.begin_close(reason);
        begun.map(Closing::wake).is_some()
    }

    /// Closes, and leaves the wakes to the caller, who may hold a lock now. `None` if it has
    /// closed already.
    pub(super) fn begin_close(self: &Arc<Self>, reason: CloseReason) -> Option<Closing<T>> {
        let mut state = lock(&self.state);
        if state.closed.is_some() {
            return None;
        }
        state.closed = Some(reason);
        let mut walk = Walk::default();
        self.advance(&mut state, &mut walk);
        Some(Closing {
            walk,
            end: state.log.end(),
            shared: Arc::clone(self),
        })
    }

    /// Closes it if nothing is lost by that: no subscription, and nothing retained. Returns
    /// where its log ended.
    pub(super) fn retire(&self) -> Option<Cursor> {
        let mut state = lock(&self.state);
        if state.subscribers > 0 || !state.log.is_empty() {
            return None;
        }
        state.closed.get_or_insert(CloseReason::Completed);
        Some(state.log.end())
    }

    /// Wakes all who are due, or leaves them to the runtime.
    #[inline]
    fn wake(self: &Arc<Self>, mut walk: Walk) {
        if walk.is_over {
            return;
        }
        match &self.hand_over {
            None => {
                let _: bool = self.walk_on(&mut walk, None);
            }
            Some(hand_over) => {
                let shared = Arc::clone(self);
                let mut waking = Waking { shared, walk };
                if waking.wake_some(hand_over.inline) {
                    (hand_over.spawn)(&*hand_over.runtime, waking);
                }
            }
        }
    }

    /// Wakes all, or about as many as `limit`, and returns whether some may be left.
    fn walk_on(&self, walk: &mut Walk, limit: Option<usize>) -> bool {
        let mut left = limit;
        while !walk.is_over {
            if let Some(out) = &mut walk.out {
                left = left.map(|left| left.saturating_sub(out.due()));
                out.wake();
            }
            let is_enough = left == Some(0);
            let replaced = {
                let mut state = lock(&self.state);
                let out = walk.out.take();
                let replaced = out.map_or_else(Vec::new, |out| state.waiting.put_back(out));
                if !is_enough {
                    walk.step(&mut state);
                }
                replaced
            };
            // A waker's drop is user code (I8), and must not stop this walk.
            if !replaced.is_empty() {
                let _: Result<(), String> = catch_panic(|| drop(replaced));
            }
            if is_enough {
                return true;
            }
        }
        false
    }
}

/// A topic that has closed, and whose subscribers are to be woken when no lock is held (I8).
#[must_use]
pub(super) struct Closing<T> {
    walk: Walk,
    pub(super) end: Cursor,
    shared: Arc<Shared<T>>,
}

impl<T> Closing<T> {
    pub(super) fn wake(self) {
        self.shared.wake(self.walk);
    }
}

/// A walk along those who wait, to wake those who are due. Its thread holds the baton.
#[must_use]
struct Walk {
    next: usize,
    /// The version at which it began.
    version: u64,
    out: Option<Out>,
    is_over: bool,
}

/// There is nothing to wake.
impl Default for Walk {
    fn default() -> Self {
        Self {
            next: 0,
            version: 0,
            out: None,
            is_over: true,
        }
    }
}

impl Walk {
    /// The lock is held, and so is the baton.
    fn begin<T>(&mut self, state: &mut State<T>) {
        self.version = state.version;
        self.is_over = false;
        self.step(state);
    }

    /// Under the lock: takes out the next chunk, or ends.
    fn step<T>(&mut self, state: &mut State<T>) {
        let version = state.version;
        loop {
            match state.waiting.take_out(&mut self.next, version) {
                TakeOut::Chunk(out) => {
                    self.out = Some(out);
                    return;
                }
                TakeOut::GoOn => return,
                // What came while this walk was under way is due as well.
                TakeOut::End if version != self.version => {
                    self.version = version;
                    self.next = 0;
                }
                TakeOut::End => {
                    state.waker.put_back();
                    self.is_over = true;
                    return;
                }
            }
        }
    }
}

/// A walk that was handed over to a runtime. If it is dropped, it wakes the rest.
pub(super) struct Waking<T> {
    shared: Arc<Shared<T>>,
    walk: Walk,
}

impl<T> Waking<T> {
    /// Wakes about `limit`, and returns whether some may be left.
    pub(super) fn wake_some(&mut self, limit: usize) -> bool {
        self.shared.walk_on(&mut self.walk, Some(limit))
    }
}

impl<T> Drop for Waking<T> {
    fn drop(&mut self) {
        let _: bool = self.shared.walk_on(&mut self.walk, None);
    }
}
