//! What is asked of the timers of a runtime.

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
