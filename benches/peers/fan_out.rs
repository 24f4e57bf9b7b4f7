//! What an item costs that goes to many: from the call that publishes until each subscriber's
//! task has it and sleeps again.

use std::future::poll_fn;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use futures::StreamExt;
use hangup::topic::{Replay, Retention, Topic};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::BroadcastStream;

use crate::contest::Contest;
use crate::pairs::Pace;
use crate::side::{Run, Side};

/// What a channel holds, and a topic.
const KEPT: usize = 64;

pub(crate) fn contests(largest_crowd: u64) -> Vec<Contest> {
    let crowd = |most: u64| most.min(largest_crowd);
    let [hundred, ten, all] = [100, 10_000, 100_000].map(crowd);
    vec![
        contest("fan out to 1", 1, topic)
            .against("fan_out_1", side("broadcast", 1, broadcast_channel)),
        contest("fan out to 100", hundred, topic)
            .against("fan_out_100", side("broadcast", hundred, broadcast_channel)),
        contest("fan out to 10,000", ten, topic)
            .against("fan_out_10k", side("broadcast", ten, broadcast_channel))
            .against(
                "fan_out_10k_vs_stream",
                side("BroadcastStream", ten, broadcast_stream),
            )
            .against("fan_out_10k_vs_mpsc", side("mpsc each", ten, mpsc_each))
            .against("fan_out_10k_vs_floor", side("a wake", ten, floor)),
        contest("fan out to 100,000", all, topic)
            .against("fan_out_100k", side("broadcast", all, broadcast_channel))
            .at(Pace::CROWD),
        Contest::new(
            "publish to 10,000",
            Side::new("hangup", publish_alone(ten, topic)).of(ten),
        )
        .against(
            "fan_out_publish_10k",
            Side::new("broadcast", publish_alone(ten, broadcast_channel)).of(ten),
        ),
        Contest::new(
            "fan out to 10,000 on two threads",
            Side::new("hangup", on_two_threads(ten, topic)).of(ten),
        )
        .against(
            "fan_out_10k_two_threads",
            Side::new("broadcast", on_two_threads(ten, broadcast_channel)).of(ten),
        )
        .at(Pace::THREADS),
    ]
}

fn contest(name: &'static str, count: u64, join: Join) -> Contest {
    Contest::new(name, side("hangup", count, join))
}

fn side(name: &'static str, count: u64, join: Join) -> Side {
    Side::new(name, run(count, join)).of(count)
}

/// Spawns so many subscribers on the runtime, and returns what publishes.
type Join = fn(u64, &Runtime, &Taken) -> Publish;
type Publish = Box<dyn FnMut(u64)>;

/// How many items the tasks have taken, and the thread that waits for them.
#[derive(Clone)]
struct Taken {
    count: Arc<AtomicU64>,
    /// The thread to unpark at this count: on a runtime of one thread none has to be.
    wanted: Arc<AtomicU64>,
    waits: Thread,
}

impl Taken {
    fn new() -> Self {
        Self {
            count: Arc::default(),
            wanted: Arc::new(AtomicU64::new(u64::MAX)),
            waits: thread::current(),
        }
    }

    fn add(&self, item: u64) {
        black_box(item);
        if self.count.fetch_add(1, Relaxed) + 1 == self.wanted.load(Relaxed) {
            self.waits.unpark();
        }
    }
}

/// A crowd that waits on a runtime.
struct Crowd {
    runtime: Runtime,
    publish: Publish,
    taken: Taken,
    count: u64,
    sent: u64,
}

impl Crowd {
    fn new(count: u64, mut runtime: Builder, join: Join) -> Self {
        let runtime = runtime.build().unwrap();
        let taken = Taken::new();
        let publish = join(count, &runtime, &taken);
        let mut crowd = Self {
            runtime,
            publish,
            taken,
            count,
            sent: 0,
        };
        // The first item finds all of them asleep or on their way there.
        crowd.publish();
        crowd.run();
        crowd
    }

    fn publish(&mut self) {
        self.sent += 1;
        (self.publish)(self.sent);
    }

    fn is_done(&self) -> bool {
        self.taken.count.load(Relaxed) >= self.sent * self.count
    }

    /// Until all tasks have the item, on this thread.
    fn run(&mut self) {
        self.runtime.block_on(async {
            while !self.is_done() {
                tokio::task::yield_now().await;
            }
        });
    }
}

/// The crowd is made when it is first wanted: most runs want a few rows.
fn with_crowd(
    count: u64,
    runtime: fn() -> Builder,
    join: Join,
    mut round: impl FnMut(&mut Crowd) -> Duration + 'static,
) -> Run {
    let mut crowd = None;
    Box::new(move |times| {
        let crowd = crowd.get_or_insert_with(|| Crowd::new(count, runtime(), join));
        (0..times).map(|_| round(crowd)).sum()
    })
}

fn run(count: u64, join: Join) -> Run {
    with_crowd(count, Builder::new_current_thread, join, |crowd| {
        let begun = Instant::now();
        crowd.publish();
        crowd.run();
        begun.elapsed()
    })
}

/// The call that publishes, without the tasks.
fn publish_alone(count: u64, join: Join) -> Run {
    with_crowd(count, Builder::new_current_thread, join, |crowd| {
        let begun = Instant::now();
        crowd.publish();
        let elapsed = begun.elapsed();
        crowd.run();
        elapsed
    })
}

fn on_two_threads(count: u64, join: Join) -> Run {
    let two = || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2);
        builder
    };
    with_crowd(count, two, join, |crowd| {
        crowd
            .taken
            .wanted
            .store((crowd.sent + 1) * crowd.count, Relaxed);
        let begun = Instant::now();
        crowd.publish();
        while !crowd.is_done() {
            thread::park();
        }
        begun.elapsed()
    })
}

fn topic(count: u64, runtime: &Runtime, taken: &Taken) -> Publish {
    let topic = Topic::new(Retention::items(KEPT));
    for _ in 0..count {
        let mut items = topic.subscribe(Replay::Now);
        let taken = taken.clone();
        runtime.spawn(async move {
            while let Some(Ok(item)) = items.next().await {
                taken.add(*item);
            }
        });
    }
    Box::new(move |item| _ = topic.publish(item).unwrap())
}

fn broadcast_channel(count: u64, runtime: &Runtime, taken: &Taken) -> Publish {
    let sender = broadcast::Sender::new(KEPT);
    for _ in 0..count {
        let mut items = sender.subscribe();
        let taken = taken.clone();
        runtime.spawn(async move {
            while let Ok(item) = items.recv().await {
                taken.add(item);
            }
        });
    }
    Box::new(move |item| _ = sender.send(item).unwrap())
}

fn broadcast_stream(count: u64, runtime: &Runtime, taken: &Taken) -> Publish {
    let sender = broadcast::Sender::new(KEPT);
    for _ in 0..count {
        let mut items = BroadcastStream::new(sender.subscribe());
        let taken = taken.clone();
        runtime.spawn(async move {
            while let Some(Ok(item)) = items.next().await {
                taken.add(item);
            }
        });
    }
    Box::new(move |item| _ = sender.send(item).unwrap())
}

fn mpsc_each(count: u64, runtime: &Runtime, taken: &Taken) -> Publish {
    let senders: Vec<_> = (0..count)
        .map(|_| {
            let (sender, mut items) = mpsc::channel(KEPT);
            let taken = taken.clone();
            runtime.spawn(async move {
                while let Some(item) = items.recv().await {
                    taken.add(item);
                }
            });
            sender
        })
        .collect();
    Box::new(move |item| {
        for sender in &senders {
            sender.try_send(item).unwrap();
        }
    })
}

/// The wake and the poll of a task that does nothing but count.
fn floor(count: u64, runtime: &Runtime, taken: &Taken) -> Publish {
    let wakers = Arc::new(Mutex::new(Vec::<Waker>::new()));
    for _ in 0..count {
        let (wakers, taken) = (Arc::clone(&wakers), taken.clone());
        let mut is_first = true;
        runtime.spawn(poll_fn(move |cx| {
            if std::mem::take(&mut is_first) {
                wakers.lock().unwrap().push(cx.waker().clone());
            }
            taken.add(0);
            Poll::<()>::Pending
        }));
    }
    Box::new(move |_| {
        // The first poll of each task counts as its first item.
        wakers.lock().unwrap().iter().for_each(Waker::wake_by_ref);
    })
}
