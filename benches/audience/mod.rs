//! Tasks that wait for items, and what publishes to them.
//!
//! What is measured is an item from the call that publishes until each task has it and sleeps
//! again, or a part of that.

mod taken;
mod joins;

pub use joins::{Join, Publish, broadcast_channel, broadcast_stream, floor, mpsc_each, topic};

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

use taken::Total;

/// Calls what it is given, and says how long that took.
pub type Meter = fn(&mut dyn FnMut()) -> Duration;

/// How many items a reader is behind in [`Audience::behind`].
pub const BACKLOG: u64 = 16;

/// So many passes in which no task takes anything: then a task was not woken.
const IDLE_PASSES: u32 = 8;

/// Subscribers that wait on a runtime of their own.
pub struct Audience {
    runtime: Runtime,
    /// In a lock, since on two threads a task publishes.
    publish: Arc<Mutex<Publish>>,
    /// On two threads, what all of them have taken.
    total: Option<Arc<Total>>,
    count: u64,
    sent: u64,
}

impl Audience {
    /// So many of them on this thread.
    pub fn new(count: u64, join: Join) -> Self {
        let runtime = Builder::new_current_thread().build().unwrap();
        Self::on(runtime, None, count, join)
    }

    /// So many of them on two other threads.
    pub fn on_two_threads(count: u64, join: Join) -> Self {
        let total = Arc::new(Total::new());
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .on_thread_park({
                let total = Arc::clone(&total);
                move || total.add()
            })
            .build()
            .unwrap();
        Self::on(runtime, Some(total), count, join)
    }

    fn on(runtime: Runtime, total: Option<Arc<Total>>, count: u64, join: Join) -> Self {
        let publish = Arc::new(Mutex::new(join(count, &runtime)));
        let mut audience = Self {
            runtime,
            publish,
            total,
            count,
            sent: 0,
        };
        // The first item finds tasks that have not run, the second one finds them asleep.
        for _ in 0..2 {
            audience.items(1);
        }
        audience
    }

    /// How many subscribers there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How long it takes to publish so many items, each when all tasks have the one before it,
    /// until all tasks have them.
    pub fn whole(&mut self, meter: Meter, times: u64) -> Duration {
        meter(&mut || self.items(times))
    }

    /// As [`whole`](Self::whole), but what publishes is no task of the runtime: a wake goes
    /// through the queue that other threads use.
    pub fn from_outside(&mut self, meter: Meter, times: u64) -> Duration {
        meter(&mut || {
            for _ in 0..times {
                self.sent += 1;
                self.publish.lock().unwrap()(self.sent);
                self.run(1);
            }
        })
    }

    /// How long the calls that publish take, without the tasks.
    pub fn publishing(&mut self, meter: Meter, times: u64) -> Duration {
        let measured = |_| {
            let took = self.publish(1, meter);
            self.run(1);
            took
        };
        (0..times).map(measured).sum()
    }

    /// How long the tasks take to read a [`BACKLOG`], so many times, without what publishes it.
    pub fn behind(&mut self, meter: Meter, times: u64) -> Duration {
        let measured = |_| {
            self.publish(BACKLOG, |publish| {
                publish();
                Duration::ZERO
            });
            meter(&mut || self.run(BACKLOG))
        };
        (0..times).map(measured).sum()
    }

    fn items(&mut self, times: u64) {
        let (items, count) = (self.sent + 1..=self.sent + times, self.count);
        self.sent += times;
        match &self.total {
            Some(total) => items.for_each(|item| {
                let publish = Arc::clone(&self.publish);
                total.wait_for(count, || {
                    let publishes = async move { publish.lock().unwrap()(item) };
                    drop(self.runtime.spawn(publishes));
                });
            }),
            None => {
                let mut publish = self.publish.lock().unwrap();
                self.runtime.block_on(async {
                    for item in items {
                        publish(item);
                        all_taken(count).await;
                    }
                });
            }
        }
    }

    /// From within the runtime of one thread, as a task would: the subscribers do not run.
    fn publish(&mut self, times: u64, meter: Meter) -> Duration {
        let items = self.sent + 1..=self.sent + times;
        self.sent += times;
        let mut publish = self.publish.lock().unwrap();
        let publishes = async { meter(&mut || items.clone().for_each(&mut *publish)) };
        self.runtime.block_on(publishes)
    }

    /// Until each subscriber of this thread has so many items.
    fn run(&mut self, items: u64) {
        self.runtime.block_on(all_taken(items * self.count));
    }
}

/// Lets the other tasks of this thread run until they have taken so many items.
async fn all_taken(goal: u64) {
    let (mut before, mut idle) = (0, 0);
    while taken::count() < goal {
        yield_now().await;
        let now = taken::count();
        idle = if now == before { idle + 1 } else { 0 };
        assert!(idle < IDLE_PASSES, "a subscriber is not woken");
        before = now;
    }
    assert_eq!(taken::take_count(), goal, "an item is taken twice");
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audience")
            .field("count", &self.count)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}
