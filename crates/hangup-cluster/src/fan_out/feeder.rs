//! The task that feeds a topic from the engine's log.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use hangup::CloseReason;
use hangup::runtime::BoxFuture;
use hangup::topic::{Cursor, Lane, Replay};

use super::backoff::Backoff;
use super::feed::Feed;
use super::feeds::Feeds;
use super::ring::Ring;
use crate::contain::contain;
use crate::engine::LogEvent;
use crate::waiters::Place;

/// How many events are fed before the subscribers get a turn.
const PORTION: u32 = 32;

/// For how long a new feed reads what is older than itself.
const WARM_UP: Duration = Duration::from_millis(500);

/// Feeds `feed` until it is closed, or has had no subscriber for as long as it lingers.
pub(super) fn spawn<T: Send + Sync + 'static>(feeds: &Arc<Feeds<T>>, feed: &Arc<Feed<T>>) {
    let ends = Ends {
        feeds: Arc::clone(feeds),
        feed: Arc::clone(feed),
    };
    let work = work(Arc::clone(feeds), Arc::clone(feed));
    feeds.runtime.spawn(Box::pin(Feeder {
        work: Box::pin(work),
        place: feed.to_feeder.place(),
        ends,
        linger: None,
    }));
}

/// Ends the feed with its feeder, also if the runtime drops the feeder or it panics.
struct Ends<T> {
    feeds: Arc<Feeds<T>>,
    feed: Arc<Feed<T>>,
}

impl<T> Drop for Ends<T> {
    fn drop(&mut self) {
        self.feeds.end(&self.feed, CloseReason::Completed);
    }
}

struct Feeder<T> {
    /// It has no end.
    work: BoxFuture<()>,
    /// For the end of the feed, and for its being idle. Dropped before `ends`, which would wake it.
    place: Place,
    ends: Ends<T>,
    /// For how long the feed is kept, and since when it is idle.
    linger: Option<(u64, BoxFuture<()>)>,
}

impl<T> Future for Feeder<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let feed = Arc::clone(&this.ends.feed);
        this.place.register(cx.waker());
        if feed.is_closed() || this.has_lingered(cx) {
            return Poll::Ready(());
        }
        this.work.as_mut().poll(cx)
    }
}

impl<T> Feeder<T> {
    /// Whether the feed has been removed, since it is not used.
    fn has_lingered(&mut self, cx: &mut Context<'_>) -> bool {
        let Ends { feeds, feed, .. } = &self.ends;
        loop {
            // ORDERING: `Relaxed`, since the lock of the keys decides in `remove_idle`.
            let since = feed.idle_since.load(Ordering::Relaxed);
            if since == 0 {
                self.linger = None;
                return false;
            }
            let linger = self.linger.take().filter(|linger| linger.0 == since);
            let (_, sleep) = self
                .linger
                .insert(linger.unwrap_or_else(|| (since, feeds.runtime.sleep(feeds.linger))));
            if sleep.as_mut().poll(cx).is_pending() {
                return false;
            }
            if feeds.remove_idle(feed, since) {
                return true;
            }
            self.linger = None;
        }
    }
}

async fn work<T>(feeds: Arc<Feeds<T>>, feed: Arc<Feed<T>>) {
    let end = end(&feed).await;
    let start = start(&feed, end).await;
    let mut ring = feeds.plan.begin(start);
    feed.begin_before(ring.clone(), end);
    let mut reader = feed.source.read(start);
    let begun = feeds.runtime.now();
    let mut is_before = is_before(start, end);
    let mut turns = 0;
    loop {
        if is_before {
            is_before = self::is_before(ring.cursor(), end);
            let elapsed = feeds.runtime.now().saturating_duration_since(begun);
            if is_before && elapsed > WARM_UP {
                // What is published now comes first. Those who want more read it by themselves.
                is_before = false;
                replace(&feeds, &feed, &mut ring, end, None);
                reader = feed.source.read(end);
            }
        }
        let event = poll_fn(|cx| reader.poll_next(cx)).await;
        let (next, rewound) = match event {
            LogEvent::Item(cursor, bytes) => {
                let entry = feeds.plan.entry(cursor, &bytes);
                // The drop of an item that is evicted may panic, and the item is in the ring then.
                contain(|| ring.append_at(Lane::default(), cursor, entry));
                // It does not fit: those who read on find it in the log.
                let is_in = ring.cursor() == cursor;
                (if is_in { None } else { Some(cursor) }, None)
            }
            LogEvent::Gap(cursor) => {
                let end = ring.cursor();
                let is_back =
                    end.incarnation() == cursor.incarnation() && cursor.number() < end.number();
                (Some(cursor), is_back.then_some(cursor))
            }
        };
        if let Some(start) = next {
            replace(&feeds, &feed, &mut ring, start, rewound);
        }
        turns += 1;
        if turns == PORTION {
            turns = 0;
            give_way().await;
        }
    }
}

/// The feed goes on in a ring that begins behind `start`.
fn replace<T>(
    feeds: &Feeds<T>,
    feed: &Feed<T>,
    ring: &mut Ring<T>,
    start: Cursor,
    rewound: Option<Cursor>,
) {
    let next = feeds.plan.begin(start);
    feed.begin(next.clone(), rewound);
    let last = mem::replace(ring, next);
    // It may be the last to hold its items, whose drop may panic.
    contain(|| drop(last));
}

/// Whether the ring is not yet where the log ended when the feed began.
fn is_before(cursor: Cursor, end: Cursor) -> bool {
    cursor.incarnation() == end.incarnation() && cursor.number() < end.number()
}

/// Where the ring begins: where the first subscriber starts, since others who have lost the
/// same connection start there as well. The log says if that is not there any more.
async fn start<T>(feed: &Feed<T>, end: Cursor) -> Cursor {
    let source = &feed.source;
    let start = match feed.first {
        Replay::After(cursor) => cursor,
        // Without an answer, the subscriber asks by itself.
        Replay::All => source.log.start(source.name.as_str()).await.unwrap_or(end),
        _ => end,
    };
    if is_before(start, end) { start } else { end }
}

/// Where the log ends.
async fn end<T>(feed: &Feed<T>) -> Cursor {
    let mut backoff = Backoff::default();
    let source = &feed.source;
    loop {
        match source.log.end(source.name.as_str()).await {
            Ok(end) => return end,
            Err(error) => feed.failed(error),
        }
        source.runtime.sleep(backoff.next()).await;
    }
}

async fn give_way() {
    let mut has_given = false;
    poll_fn(|cx| {
        if has_given {
            return Poll::Ready(());
        }
        has_given = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
