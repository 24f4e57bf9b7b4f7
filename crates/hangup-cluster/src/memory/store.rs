//! What all nodes share: the engine itself.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use hangup::runtime::Runtime;

use super::inboxes::Inboxes;
use super::records::Records;
use super::topics::{Kept, Topics};
use crate::engine::{Revision, Swapped};

pub(super) struct Store {
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) limits: Limits,
    /// No code of users runs under it: wakers are woken, and dropped, behind it.
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Within which a call is answered.
    pub(super) timeout: Duration,
    /// The most bytes of a value, a hint or an item.
    pub(super) size: usize,
    pub(super) kept: Kept,
}

pub(super) struct State {
    /// The latest time that a call has seen: threads may get here in another order than that of
    /// their looks at the clock.
    pub(super) now: Instant,
    /// The last number that was given to a write or a life. It survives all.
    numbers: u64,
    /// Which life of the engine it is.
    pub(super) life: u64,
    /// How often it has started anew, in this life or into another.
    pub(super) restarts: u64,
    pub(super) records: Records,
    pub(super) inboxes: Inboxes,
    pub(super) topics: Topics,
    /// The readers of each topic that wait, by their ids.
    readers: BTreeMap<(String, u64), Waker>,
    next_stream: u64,
    /// To be done when the lock is free.
    pub(super) woken: Vec<Waker>,
    pub(super) later: Vec<LaterHint>,
}

/// A hint that arrives later than it is sent.
pub(super) struct LaterHint {
    pub(super) after: Duration,
    pub(super) inbox: String,
    pub(super) hint: Vec<u8>,
}

impl Store {
    pub(super) fn new(runtime: Arc<dyn Runtime>, limits: Limits, numbers: u64) -> Self {
        let life = numbers + 1;
        let state = State {
            now: runtime.now(),
            numbers: life,
            life,
            restarts: 0,
            records: Records::default(),
            inboxes: Inboxes::default(),
            topics: Topics::new(life),
            readers: BTreeMap::new(),
            next_stream: 0,
            woken: Vec::new(),
            later: Vec::new(),
        };
        Self {
            runtime,
            limits,
            state: Mutex::new(state),
        }
    }

    /// Does `work` at one instant, then wakes and sends what it left for later.
    pub(super) fn with<T>(self: &Arc<Self>, work: impl FnOnce(&mut State) -> T) -> T {
        let now = self.runtime.now();
        let (answer, woken, later) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.now = state.now.max(now);
            let answer = work(&mut state);
            let woken = Woken(std::mem::take(&mut state.woken).into());
            (answer, woken, std::mem::take(&mut state.later))
        };
        woken.wake();
        for hint in later {
            self.deliver_later(hint);
        }
        answer
    }

    fn deliver_later(self: &Arc<Self>, hint: LaterHint) {
        let store = Arc::clone(self);
        let arrival = self.runtime.sleep(hint.after);
        self.runtime.spawn(Box::pin(async move {
            arrival.await;
            store.with(|state| state.deliver(&hint.inbox, &hint.hint));
        }));
    }
}

impl State {
    pub(super) fn swap(
        &mut self,
        name: String,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Swapped {
        let numbers = &mut self.numbers;
        let revision = || {
            *numbers += 1;
            Revision(*numbers)
        };
        self.records
            .swap(name, expected, value, ttl, self.now, revision)
    }

    pub(super) fn next_stream(&mut self) -> u64 {
        self.next_stream += 1;
        self.next_stream
    }

    pub(super) fn deliver(&mut self, inbox: &str, hint: &[u8]) {
        self.inboxes.deliver(inbox, hint, &mut self.woken);
    }

    /// Keeps the waker of a reader, and returns the one before.
    pub(super) fn wait(&mut self, reader: &(String, u64), waker: Waker) -> Option<Waker> {
        self.readers.insert(reader.clone(), waker)
    }

    pub(super) fn wait_no_more(&mut self, reader: &(String, u64)) -> Option<Waker> {
        self.readers.remove(reader)
    }

    pub(super) fn wake_readers_of(&mut self, topic: &str) {
        let of_topic = (topic.to_owned(), 0)..=(topic.to_owned(), u64::MAX);
        let keys = self.readers.range(of_topic).map(|(key, _)| key.clone());
        for key in keys.collect::<Vec<_>>() {
            self.woken.extend(self.readers.remove(&key));
        }
    }

    pub(super) fn wake_all_readers(&mut self) {
        let readers = std::mem::take(&mut self.readers);
        self.woken.extend(readers.into_values());
    }

    /// All streams end, and nothing is lost.
    pub(super) fn restart(&mut self) {
        self.restarts += 1;
        self.inboxes.end_all(&mut self.woken);
        self.wake_all_readers();
    }

    /// All is lost but the count of the revisions.
    pub(super) fn forget(&mut self) {
        self.numbers += 1;
        self.life = self.numbers;
        self.records.clear();
        self.topics = Topics::new(self.life);
        self.restart();
    }
}

/// Wakers to be woken: all of them, also if one panics.
struct Woken(VecDeque<Waker>);

impl Woken {
    fn wake(mut self) {
        while let Some(waker) = self.0.pop_front() {
            waker.wake();
        }
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        while let Some(waker) = self.0.pop_front() {
            // One panic is on its way already.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}
