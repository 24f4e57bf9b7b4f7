//! What is asked of the timers of a runtime.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use futures::{StreamExt, stream};
use hangup::Scope;
use hangup::runtime::{BoxFuture, Runtime};

const PERIOD: Duration = Duration::from_secs(30);

/// Time passes where a timer is waited for, and only as much as it was asked for.
struct Hourglass {
    begun: Instant,
    passed: Arc<AtomicU64>,
    asked: Mutex<Vec<Duration>>,
}

impl Runtime for Hourglass {
    fn spawn(&self, _: BoxFuture<()>) {
        unreachable!("heartbeats need no task");
    }

    fn now(&self) -> Instant {
        self.begun + Duration::from_millis(self.passed.load(SeqCst))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        self.asked.lock().unwrap().push(duration);
        let passed = Arc::clone(&self.passed);
        Box::pin(async move {
            passed.fetch_add(duration.as_millis() as u64, SeqCst);
        })
    }
}

#[test]
fn a_timer_is_set_for_half_of_the_period_and_beats_come_after_all_of_it() {
    let runtime = Arc::new(Hourglass {
        begun: Instant::now(),
        passed: Arc::default(),
        asked: Mutex::default(),
    });
    let scope = Scope::builder().runtime(Arc::clone(&runtime)).build();
    let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
    // An item right after the second beat.
    let passed = Arc::clone(&runtime.passed);
    let mut is_sent = false;
    let items = stream::poll_fn(move |_| match passed.load(SeqCst) {
        60_000 if !std::mem::replace(&mut is_sent, true) => Poll::Ready(Some("item")),
        _ => Poll::Pending,
    });
    let mut events = live.stream(items).heartbeat(PERIOD, || "beat").unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let next = block_on(poll_fn(|cx| events.poll_next_unpin(cx)));
        seen.push((next.unwrap(), runtime.passed.load(SeqCst) / 1000));
    }
    assert_eq!(
        seen,
        [("beat", 30), ("beat", 60), ("item", 60), ("beat", 90)]
    );
    let asked = runtime.asked.lock().unwrap();
    assert!(asked.iter().all(|it| *it == PERIOD / 2), "{asked:?}");
}

/// Its timers fire at once, and its clock reads what the test says, one after the other: seconds
/// after it began.
struct Clock {
    begun: Instant,
    readings: Mutex<VecDeque<u64>>,
    asked: Mutex<Vec<Duration>>,
}

impl Clock {
    fn new(readings: impl IntoIterator<Item = u64>) -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            readings: Mutex::new(readings.into_iter().collect()),
            asked: Mutex::default(),
        })
    }
}

impl Runtime for Clock {
    fn spawn(&self, _: BoxFuture<()>) {
        unreachable!("heartbeats need no task");
    }

    fn now(&self) -> Instant {
        let next = self.readings.lock().unwrap().pop_front();
        self.begun + Duration::from_secs(next.expect("it beats before"))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        self.asked.lock().unwrap().push(duration);
        Box::pin(std::future::ready(()))
    }
}

/// How often the clock is read before the first beat, and the timers that were asked for.
fn first_beat(period: Duration, clock: Arc<Clock>) -> (usize, Vec<Duration>) {
    let readings = clock.readings.lock().unwrap().len();
    let scope = Scope::builder().runtime(Arc::clone(&clock)).build();
    let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
    let events = live.stream(stream::pending());
    let mut events = events.heartbeat(period, || "beat").unwrap();
    let next = block_on(poll_fn(|cx| events.poll_next_unpin(cx)));
    assert_eq!(next, Some("beat"));
    let read = readings - clock.readings.lock().unwrap().len();
    let asked = std::mem::take(&mut *clock.asked.lock().unwrap());
    (read, asked)
}

#[test]
fn a_clock_that_goes_back_delays_a_beat_by_what_it_hides_and_no_more() {
    // Between the first two readings it goes back for an hour.
    let clock = Clock::new([7200, 3600, 3615, 3630, 0]);
    let (read, asked) = first_beat(PERIOD, clock);
    assert_eq!(read, 4);
    assert!(asked.iter().all(|it| *it == PERIOD / 2), "{asked:?}");
    // It stands still for a while.
    let clock = Clock::new([50, 50, 50, 50, 60, 70, 80, 0]);
    let (read, asked) = first_beat(PERIOD, clock);
    assert_eq!(read, 7);
    // What is left of the period.
    let left = asked[5];
    assert_eq!(left, Duration::from_secs(10), "{asked:?}");
}

#[test]
fn a_timer_that_fires_late_takes_no_item_for_older_than_half_of_the_period() {
    // The first one is late by more than the period.
    let clock = Clock::new([0, 100, 115, 0]);
    let scope = Scope::builder().runtime(Arc::clone(&clock)).build();
    let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
    let items = live.stream(stream::iter(["item"]).chain(stream::pending()));
    let mut events = items.heartbeat(PERIOD, || "beat").unwrap();
    let mut next = || block_on(poll_fn(|cx| events.poll_next_unpin(cx)));
    assert_eq!((next(), next()), (Some("item"), Some("beat")));
    assert_eq!(*clock.readings.lock().unwrap(), [0]);
}

#[test]
fn neither_the_longest_period_nor_the_longest_pause_overflows() {
    const YEAR: u64 = 365 * 86_400;
    // The longest pause has more nanoseconds than a number has.
    let clock = Clock::new([0, 10 * YEAR, 29 * YEAR, 1_000 * YEAR, 0]);
    let (read, asked) = first_beat(Duration::MAX, clock);
    assert_eq!(read, 4);
    let [years, half] = [1, 15].map(|it| Duration::from_secs(it * YEAR));
    assert_eq!(asked, [half, half, years, half]);
}

#[cfg(feature = "tokio")]
mod on_tokio {
    use std::pin::Pin;
    use std::time::Instant;

    use futures::executor::block_on;
    use futures::{Stream, StreamExt, stream};
    use hangup::Scope;
    use tokio::time::advance;
    use tokio_test::{assert_pending, assert_ready_eq, task};

    use super::{Duration, PERIOD};

    type Beats = Pin<Box<dyn Stream<Item = &'static str> + Send>>;

    fn beats(period: Duration) -> Beats {
        let scope = Scope::new();
        let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
        let beats = live.stream(stream::pending());
        Box::pin(beats.heartbeat(period, || "beat").unwrap())
    }

    fn multi_thread() -> tokio::runtime::Runtime {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_time().build().unwrap()
    }

    #[test]
    fn a_stream_beats_wherever_it_is_polled() {
        const PERIOD: Duration = Duration::from_millis(20);
        let (home, abroad) = (multi_thread(), multi_thread());
        let entered = home.enter();
        let begun = Instant::now();
        let mut beats = beats(PERIOD);
        drop(entered);
        assert_eq!(block_on(beats.next()), Some("beat"));
        assert_eq!(abroad.block_on(beats.next()), Some("beat"));
        let polls = async { (beats.next().await, beats) };
        let (beat, mut beats) = home.block_on(home.spawn(polls)).unwrap();
        assert_eq!(beat, Some("beat"));
        assert_eq!(block_on(beats.next()), Some("beat"));
        assert!(begun.elapsed() >= PERIOD * 4);
    }

    #[tokio::test(flavor = "current_thread", start_paused = true)]
    async fn the_task_that_polled_last_is_woken_and_none_that_does_not_wait() {
        let mut beats = beats(PERIOD);
        let (mut before, mut after) = (task::spawn(()), task::spawn(()));
        let poll = |task: &mut task::Spawn<()>, beats: &mut Beats| {
            task.enter(|cx, _| beats.poll_next_unpin(cx))
        };
        assert_pending!(poll(&mut before, &mut beats));
        assert_pending!(poll(&mut after, &mut beats));
        advance(PERIOD / 2).await;
        assert!(after.is_woken() && !before.is_woken());
        // The timer is set again.
        assert_pending!(poll(&mut before, &mut beats));
        advance(PERIOD / 2).await;
        assert!(before.is_woken());
        assert_ready_eq!(poll(&mut before, &mut beats), Some("beat"));
        assert_pending!(poll(&mut after, &mut beats));
        advance(PERIOD / 2).await;
        assert!(after.is_woken());
        assert_pending!(poll(&mut after, &mut beats));
        advance(PERIOD / 2).await;
        assert_ready_eq!(poll(&mut after, &mut beats), Some("beat"));
        // None waits for it, however long that lasts.
        assert!(!after.is_woken() && !before.is_woken());
        advance(PERIOD * 1_000).await;
        assert!(!after.is_woken() && !before.is_woken());
        // One that is polled rarely beats once for all that it has missed.
        assert_ready_eq!(poll(&mut before, &mut beats), Some("beat"));
        assert_pending!(poll(&mut before, &mut beats));
        advance(PERIOD / 2).await;
        assert!(before.is_woken());
        assert_pending!(poll(&mut before, &mut beats));
        advance(PERIOD / 2).await;
        assert_ready_eq!(poll(&mut before, &mut beats), Some("beat"));
    }

    #[tokio::test(flavor = "current_thread", start_paused = true)]
    async fn the_longest_period_is_one_of_thirty_years() {
        let mut beats = task::spawn(beats(Duration::MAX));
        assert_pending!(beats.poll_next());
        let half = Duration::from_secs(15 * 365 * 86_400);
        advance(half).await;
        assert!(beats.is_woken());
        assert_pending!(beats.poll_next());
        advance(half).await;
        assert_ready_eq!(beats.poll_next(), Some("beat"));
    }
}
