//! What the feeder of a topic and its subscribers share on one node.

use std::future::poll_fn;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use hangup::CloseReason;
use hangup::topic::{Cursor, Replay};

use super::error::SubscribeError;
use super::ring::Ring;
use super::source::Source;
use crate::engine::EngineError;
use crate::waiters::{Place, Waiters};

/// One topic on one node: fed once, for all subscribers.
///
/// The ring has all that the log has behind the ring's start. When that cannot be kept up, since
/// the log itself has a gap, another ring takes its place. Subscribers read a ring that was
/// replaced to its end, and go on behind their own position: what is missing in the new ring
/// they read from the log, and the log alone says what is lost.
pub(super) struct Feed<T> {
    pub(super) source: Source,
    /// Where its first subscriber starts: the ring begins there, if the node comes to the end of the
    /// log soon enough.
    pub(super) first: Replay,
    state: Mutex<State<T>>,
    /// Goes on with each ring, and with the close.
    version: AtomicU64,
    /// Wakes those who wait for another version, or for a failure.
    changed: Waiters,
    /// Since when there is no subscriber, by a running number; 0 while there are some. Written
    /// under the lock of all keys.
    pub(super) idle_since: AtomicU64,
    /// Wakes the feeder when the feed has become idle, or is closed.
    pub(super) to_feeder: Waiters,
}

struct State<T> {
    /// `None` until the feeder knows the end of the log.
    ring: Option<Ring<T>>,
    /// Where the log ended when the feed began.
    end: Option<Cursor>,
    rewinds: Rewinds,
    /// How often the feeder has failed to find the end of the log.
    failures: u64,
    failure: Option<EngineError>,
    closed: Option<CloseReason>,
}

/// How often the log has lost its tail within one incarnation, and where it went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rewinds {
    pub(super) count: u64,
    /// The earliest place of the last incarnation in which it happened.
    pub(super) to: Option<Cursor>,
}

/// The present ring.
pub(super) struct Current<T> {
    pub(super) ring: Ring<T>,
    /// The end of the ring, or that of the log when the feed began, if the ring is not there yet.
    pub(super) end: Cursor,
    pub(super) version: u64,
    pub(super) rewinds: Rewinds,
}

impl<T> Feed<T> {
    pub(super) fn new(source: Source, first: Replay) -> Self {
        Self {
            source,
            first,
            state: Mutex::new(State {
                ring: None,
                end: None,
                rewinds: Rewinds::default(),
                failures: 0,
                failure: None,
                closed: None,
            }),
            version: AtomicU64::new(0),
            changed: Waiters::default(),
            idle_since: AtomicU64::new(0),
            to_feeder: Waiters::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another one than before says that there is another ring, or none.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// For another version, or a failure.
    pub(super) fn place(&self) -> Place {
        self.changed.place()
    }

    /// The present ring, or `None` if there is none yet.
    pub(super) fn current(&self) -> Result<Option<Current<T>>, CloseReason> {
        let state = self.state();
        if let Some(reason) = state.closed {
            return Err(reason);
        }
        Ok(state.ring.as_ref().map(|ring| Current {
            ring: ring.clone(),
            end: state.end_of(ring),
            version: self.version.load(Ordering::Acquire),
            rewinds: state.rewinds,
        }))
    }

    /// Waits for the first ring, or for the next failure.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub(super) async fn begun(&self) -> Result<Current<T>, SubscribeError> {
        let failures = self.state().failures;
        let mut place = self.place();
        poll_fn(|cx| {
            place.register(cx.waker());
            match self.current() {
                Err(reason) => return Poll::Ready(Err(SubscribeError::Closed(reason))),
                Ok(Some(current)) => return Poll::Ready(Ok(current)),
                Ok(None) => {}
            }
            let state = self.state();
            match &state.failure {
                Some(failure) if state.failures > failures => {
                    Poll::Ready(Err(SubscribeError::Unavailable(failure.clone())))
                }
                Some(_) | None => Poll::Pending,
            }
        })
        .await
    }

    /// The feeder has not found the end of the log.
    pub(super) fn failed(&self, error: EngineError) {
        let before = {
            let mut state = self.state();
            state.failures += 1;
            state.failure.replace(error)
        };
        drop(before);
        self.changed.wake_all();
    }

    /// There is the first ring. The log ends at `end`.
    pub(super) fn begin_before(&self, ring: Ring<T>, end: Cursor) {
        self.state().end = Some(end);
        self.begin(ring, None);
    }

    /// There is another ring. `rewound` says that the log goes on before the end of the last one.
    pub(super) fn begin(&self, ring: Ring<T>, rewound: Option<Cursor>) {
        let unused = {
            let mut state = self.state();
            if state.closed.is_some() {
                Some(ring)
            } else {
                if let Some(to) = rewound {
                    state.end = None;
                    state.rewinds.rewind(to);
                }
                self.version.fetch_add(1, Ordering::AcqRel);
                state.ring.replace(ring)
            }
        };
        if let Some(ring) = unused {
            ring.close(CloseReason::Completed);
        }
        self.changed.wake_all();
    }

    /// Ends the feed: its subscribers end after what is in the ring.
    pub(super) fn close(&self, reason: CloseReason) {
        let (ring, failure) = {
            let mut state = self.state();
            if state.closed.is_some() {
                return;
            }
            state.closed = Some(reason);
            self.version.fetch_add(1, Ordering::AcqRel);
            (mem::take(&mut state.ring), mem::take(&mut state.failure))
        };
        if let Some(ring) = &ring {
            ring.close(reason);
        }
        self.changed.wake_all();
        self.to_feeder.wake_all();
        drop((ring, failure));
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed.is_some()
    }
}

impl<T> State<T> {
    fn end_of(&self, ring: &Ring<T>) -> Cursor {
        let end = ring.cursor();
        let ahead = self.end.filter(|ahead| {
            ahead.incarnation() == end.incarnation() && ahead.number() > end.number()
        });
        ahead.unwrap_or(end)
    }
}

impl Rewinds {
    fn rewind(&mut self, to: Cursor) {
        self.count += 1;
        let before = self.to.filter(|before| {
            before.incarnation() == to.incarnation() && before.number() < to.number()
        });
        self.to = before.or(Some(to));
    }
}
