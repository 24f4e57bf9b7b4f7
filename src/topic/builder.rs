//! How a topic is made.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::backfill::{Backfill, BackfillStream};
use super::clock::Clock;
use super::cursor::Cursor;
use super::error::BuildTopicError;
use super::gap::Gap;
use super::log::Log;
use super::retention::{Lane, Retention};
use super::shared::{HandOver, Membership, Shared, Waking};
use crate::runtime::{self, NoRuntime, Runtime};

/// Builds a [`Topic`](super::Topic). Made by [`Topic::builder`](super::Topic::builder).
#[must_use = "a builder does nothing until it builds"]
pub struct TopicBuilder<T> {
    retention: Retention,
    lanes: Vec<(Lane, Retention)>,
    size: Option<Size<T>>,
    runtime: Option<Arc<dyn Runtime>>,
    by_hand: Option<Instant>,
    hand_over: Option<(usize, Spawn<T>)>,
    start: Option<Cursor>,
    backfill: Option<Backfill<T>>,
}

type Spawn<T> = fn(&dyn Runtime, Waking<T>);

pub(super) type Size<T> = Arc<dyn Fn(&T) -> usize + Send + Sync>;

/// What the topics of one builder have in common.
pub(super) struct Plan<T> {
    retention: Retention,
    lanes: Vec<(Lane, Retention)>,
    pub(super) size: Option<Size<T>>,
    clock: Clock,
    hand_over: Option<HandOver<T>>,
    backfill: Option<Backfill<T>>,
    start: Cursor,
    fed: bool,
}

impl<T> TopicBuilder<T> {
    pub(super) fn new(retention: Retention) -> Self {
        Self {
            retention,
            lanes: Vec::new(),
            size: None,
            runtime: None,
            by_hand: None,
            hand_over: None,
            start: None,
            backfill: None,
        }
    }

    /// A lane with a retention of its own; for [`Lane::default`], replaces that of the topic.
    ///
    /// To read an item looks at each lane: have a few.
    pub fn lane(mut self, lane: Lane, retention: Retention) -> Self {
        self.lanes.push((lane, retention));
        self
    }

    /// How many bytes an item counts, for [limits in bytes](Retention::bytes).
    pub fn size<F>(mut self, size: F) -> Self
    where
        F: Fn(&T) -> usize + Send + Sync + 'static,
    {
        self.size = Some(Arc::new(size));
        self
    }

    /// The runtime whose time [ages](Retention::age) are measured in, and to which
    /// [wakes](Self::max_inline_wakes) are handed. Without this, it is that of the thread that
    /// builds.
    pub fn runtime<R>(mut self, runtime: R) -> Self
    where
        R: Runtime + 'static,
    {
        self.runtime = Some(Arc::new(runtime));
        self
    }

    /// [`Topic::expire`](super::Topic::expire) alone tells the time; at first it is `now`.
    pub fn expired_by_hand(mut self, now: Instant) -> Self {
        self.by_hand = Some(now);
        self
    }

    /// The most subscribers, about, that a call which publishes wakes itself: the runtime
    /// wakes the others. Without a limit it wakes them all, and those of calls that come while
    /// it does.
    pub fn max_inline_wakes(mut self, limit: usize) -> Self
    where
        T: Send + Sync + 'static,
    {
        let spawn = |runtime: &dyn Runtime, waking| {
            runtime.spawn(Box::pin(WakeOn { waking }));
        };
        self.hand_over = Some((limit, spawn));
        self
    }

    /// The topic is fed from outside, by [`append_at`](super::Topic::append_at), with what an
    /// engine numbers after `start`: what is not after it is a gap.
    ///
    /// [`Topics`](super::Topics) that are fed share one sequence: the engine's numbers ascend over
    /// all keys, as those of a stream with many subjects do. Under a key that is made anew, a
    /// number below that of a key that was removed is refused.
    ///
    /// A subscriber may come with a cursor ahead of such a topic, since it has read from
    /// another node that was fed earlier. It gets what comes after its cursor.
    pub fn fed(mut self, start: Cursor) -> Self {
        self.start = Some(start);
        self
    }

    /// Where items come from that are not retained any more: `source` is called for each gap,
    /// and what it cannot fill is told to the subscriber. It is not called for a
    /// [cursor ahead of the log](super::Replay::After).
    pub fn backfill<F>(mut self, source: F) -> Self
    where
        F: Fn(Gap) -> BackfillStream<T> + Send + Sync + 'static,
    {
        self.backfill = Some(Arc::new(source));
        self
    }

    pub(super) fn plan(self) -> Result<Plan<T>, BuildTopicError> {
        let limits = || {
            self.lanes
                .iter()
                .map(|lane| &lane.1)
                .chain([&self.retention])
        };
        if self.size.is_none() && limits().any(|limit| limit.bytes != usize::MAX) {
            return Err(BuildTopicError::NoSize);
        }
        let runtime = || {
            let runtime = self.runtime.clone();
            runtime.or_else(runtime::current).ok_or(NoRuntime)
        };
        let clock = match self.by_hand {
            Some(now) => Clock::ByHand(now),
            None if limits().any(|limit| limit.age.is_some()) => Clock::Runtime(runtime()?),
            None => Clock::Off,
        };
        let hand_over = match self.hand_over {
            Some((inline, spawn)) => Some(HandOver {
                inline,
                runtime: runtime()?,
                spawn,
            }),
            None => None,
        };
        Ok(Plan {
            clock,
            hand_over,
            fed: self.start.is_some(),
            start: self.start.unwrap_or_else(|| Cursor::new(incarnation(), 0)),
            retention: self.retention,
            lanes: self.lanes,
            size: self.size,
            backfill: self.backfill,
        })
    }
}

impl<T> Plan<T> {
    pub(super) fn limits_ages(&self) -> bool {
        !matches!(self.clock, Clock::Off)
    }

    pub(super) fn is_fed(&self) -> bool {
        self.fed
    }

    /// The place behind which the topics begin.
    pub(super) fn start(&self) -> Cursor {
        self.start
    }

    pub(super) fn topic(
        &self,
        start: Cursor,
        membership: Option<Box<dyn Membership>>,
    ) -> Arc<Shared<T>> {
        let lanes = self.lanes.iter().copied();
        Shared::new(
            Log::new(self.retention, lanes, start, self.fed),
            self.clock.clone(),
            self.hand_over.clone(),
            self.backfill.clone(),
            membership,
        )
    }

    /// Calls user code: no lock may be held (I8).
    pub(super) fn size(&self, item: &T) -> usize {
        self.size.as_ref().map_or(0, |size| size(item))
    }

    /// The size that counts for an item of so many bytes.
    #[cfg(feature = "http-body")]
    pub(super) fn size_of(&self, bytes: usize) -> usize {
        if self.size.is_some() { bytes } else { 0 }
    }
}

/// A number that no earlier life of the process had.
fn incarnation() -> u64 {
    // The keys are random, and differ with each call.
    RandomState::new().hash_one(())
}

/// A task that wakes subscribers, and gives way in between.
struct WakeOn<T> {
    waking: Waking<T>,
}

/// How many subscribers are woken in one poll of the task.
const POLL: usize = 1024;

impl<T> Future for WakeOn<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.get_mut().waking.wake_some(POLL) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl<T> fmt::Debug for TopicBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicBuilder")
            .field("retention", &self.retention)
            .field("lanes", &self.lanes)
            .finish_non_exhaustive()
    }
}
