//! How many events reach the subscribers of one node in a second: behind one subscription of the
//! engine, and with one of their own each. The engine is the one in memory, on two threads.
//!
//! `cargo run --release -p hangup-cluster --example fan_out`

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use hangup::topic::Replay;
use hangup_cluster::engine::{Log, LogEvent};
use hangup_cluster::fan_out::{TopicName, Topics};
use hangup_cluster::memory::Memory;
use tokio::sync::Notify;

const SUBSCRIBERS: u64 = 5_000;
const BYTES: usize = 256;
const ROUNDS: usize = 5;

/// Counts what has arrived.
#[derive(Default)]
struct Arrived {
    count: AtomicU64,
    all: AtomicU64,
    are_there: Notify,
}

impl Arrived {
    fn one_more(&self) {
        let count = self.count.fetch_add(1, Ordering::AcqRel) + 1;
        if count == self.all.load(Ordering::Acquire) {
            self.are_there.notify_one();
        }
    }

    fn expect(&self, all: u64) {
        self.count.store(0, Ordering::Release);
        self.all.store(all, Ordering::Release);
    }
}

/// How events are published.
#[derive(Clone, Copy, PartialEq)]
enum Pace {
    /// One after the other.
    AtOnce,
    /// Each when the one before has reached all.
    WhenAllHaveIt,
}

/// The rounds of one kind, and how many events each has.
async fn measure(
    what: &str,
    topics: &Topics<Vec<u8>>,
    name: &TopicName,
    arrived: &Arrived,
    events: u64,
) -> Result<(), Box<dyn Error>> {
    for pace in [Pace::AtOnce, Pace::WhenAllHaveIt] {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            match pace {
                Pace::AtOnce => {
                    arrived.expect(SUBSCRIBERS * events);
                    for _ in 0..events {
                        topics.publish(name, vec![b'x'; BYTES]).await?;
                    }
                    arrived.are_there.notified().await;
                }
                Pace::WhenAllHaveIt => {
                    for _ in 0..events {
                        arrived.expect(SUBSCRIBERS);
                        topics.publish(name, vec![b'x'; BYTES]).await?;
                        arrived.are_there.notified().await;
                    }
                }
            }
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        let median: Duration = times[ROUNDS / 2];
        let pace = match pace {
            Pace::AtOnce => "published at once",
            Pace::WhenAllHaveIt => "published when all have the one before",
        };
        let deliveries = SUBSCRIBERS * events;
        println!(
            "{what}, {events} events {pace}: {:.2} M deliveries/s ({:.0} to {:.0} ms)",
            f64::from(u32::try_from(deliveries)?) / median.as_secs_f64() / 1e6,
            times[0].as_secs_f64() * 1e3,
            times[ROUNDS - 1].as_secs_f64() * 1e3,
        );
    }
    Ok(())
}

async fn one_for_all() -> Result<(), Box<dyn Error>> {
    let memory = Memory::on_current()?;
    let log: Arc<dyn Log> = Arc::new(memory.link());
    let topics = Topics::builder(log, |_, bytes| bytes.to_vec()).build()?;
    let name: TopicName = "events".parse()?;
    let arrived = Arc::new(Arrived::default());
    let begun = Instant::now();
    for _ in 0..SUBSCRIBERS {
        let mut events = topics.subscribe(&name, Replay::Now).await?;
        let arrived = Arc::clone(&arrived);
        tokio::spawn(async move {
            while let Some(Ok(event)) = events.next().await {
                black_box(&*event);
                arrived.one_more();
            }
        });
    }
    println!(
        "{SUBSCRIBERS} subscriptions in {:.1} ms",
        begun.elapsed().as_secs_f64() * 1e3
    );
    measure("one for all", &topics, &name, &arrived, 400).await
}

async fn one_each() -> Result<(), Box<dyn Error>> {
    let memory = Memory::on_current()?;
    let log: Arc<dyn Log> = Arc::new(memory.link());
    let topics = Topics::builder(Arc::clone(&log), |_, bytes| bytes.to_vec()).build()?;
    let name: TopicName = "events".parse()?;
    let arrived = Arc::new(Arrived::default());
    let end = log.end(name.as_str()).await?;
    for _ in 0..SUBSCRIBERS {
        let mut events = log.read(name.as_str(), end).await?;
        let arrived = Arc::clone(&arrived);
        tokio::spawn(async move {
            while let Some(Ok(LogEvent::Item(_, bytes))) = events.next().await {
                black_box(&bytes);
                arrived.one_more();
            }
        });
    }
    measure("one each", &topics, &name, &arrived, 20).await
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
    };
    runtime()?.block_on(one_for_all())?;
    runtime()?.block_on(one_each())
}
