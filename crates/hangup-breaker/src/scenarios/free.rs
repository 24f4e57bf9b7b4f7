//! Clients of keys that are free.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::node::Ask;
use crate::report::{Limit, Rows};
use crate::stage::{Lab, SOON, names};
use crate::stream::Streams;

pub(super) async fn run(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let stage = lab.stage().await?;
    let node = stage.node("a").await?;
    let mut streams = Streams(Vec::new());
    let mut times = crate::report::Times::default();
    for name in names("free", 200) {
        let stream = node.worker(&name, Ask::default());
        if stream.is_live_by(Instant::now() + SOON).await {
            let live = stream.seen().live;
            times.extend(live.map(|live| live.saturating_duration_since(stream.begun())));
        }
        streams.0.push(stream);
    }
    rows.count("live", times.len(), Limit::Exactly(200));
    let limit = Limit::Within(Duration::from_millis(5));
    rows.time("p50, from the request", times.percentile(50), limit);
    let limit = Limit::Within(Duration::from_millis(50));
    rows.time("p99", times.percentile(99), limit);
    rows.count(
        "overlaps",
        stage.resource.counts().overlaps,
        Limit::Exactly(0),
    );
    Ok(())
}
