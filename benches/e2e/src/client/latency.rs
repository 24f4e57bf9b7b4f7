//! How long an event takes to reach all streams, while others come and go.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::interval;

use super::control::Control;
use super::streams::{Streams, Visits};

/// From one event to the next one.
const PERIOD: Duration = Duration::from_millis(4);

/// The half, and the last hundredth, of so many events: nanoseconds. And how many streams have
/// come and gone in a second.
pub(super) async fn measure(
    streams: &mut Streams,
    control: &mut Control,
    events: u64,
    rate: u64,
) -> io::Result<String> {
    let visited = Arc::new(AtomicU64::new(0));
    let mut crowd = JoinSet::new();
    crowd.spawn(come_and_go(streams.visits(), rate, Arc::clone(&visited)));
    let mut ticks = interval(PERIOD);
    let mut took = Vec::new();
    let begun = Instant::now();
    for _ in 0..events {
        ticks.tick().await;
        let published = Instant::now();
        streams.publish(control).await?;
        took.push(published.elapsed());
    }
    let rate = visited.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    let failed = crowd.try_join_next();
    assert!(failed.is_none(), "the crowd has ended: {failed:?}");
    crowd.shutdown().await;
    streams.settle(control).await?;
    took.sort_unstable();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize].as_nanos();
    Ok(format!("{} {} {rate:.0}", at(0.5), at(0.99)))
}

/// So many in a second, until it is dropped.
async fn come_and_go(visits: Visits, rate: u64, visited: Arc<AtomicU64>) {
    let mut arrivals = interval(Duration::from_secs(1) / u32::try_from(rate).unwrap());
    let mut inside = JoinSet::new();
    loop {
        arrivals.tick().await;
        let (visits, visited) = (visits.clone(), Arc::clone(&visited));
        inside.spawn(async move {
            visits.come_and_go().await.expect("the server answers");
            visited.fetch_add(1, Ordering::Relaxed);
        });
        while let Some(left) = inside.try_join_next() {
            left.expect("a visit ends well");
        }
    }
}
