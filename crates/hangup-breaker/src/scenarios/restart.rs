//! The engine is killed, and is back after half a second.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::failure::Failure;
use crate::node::Ask;
use crate::report::{Limit, Rows};
use crate::stage::{LEASE, Lab, SOON, all_live, names};

const AWAY: Duration = Duration::from_millis(500);
const WORK: Duration = Duration::from_millis(50);

pub(super) async fn run(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let mut stage = lab.stage().await?;
    let (a, b) = (stage.node("a").await?, stage.node("b").await?);
    let ask = Ask {
        work: Some(WORK),
        ..Ask::default()
    };
    let keys = names("kept", 50);
    let before = a.workers(&keys, ask);
    all_live(&before).await?;
    stage.engine.kill();
    // It is away for so long.
    sleep(AWAY).await;
    stage.engine.restart();
    let back = Instant::now();
    // As long as the lease could last without a renewal, and work goes on behind it.
    let lapses = back + LEASE;
    sleep(lapses.saturating_duration_since(Instant::now())).await;
    let acts = before.0.iter().map(|stream| stream.seen().events).max();
    let acts = acts.unwrap_or_default();
    let at_work = before
        .meet(SOON, |seen| seen.events > acts && seen.ended.is_none())
        .await;
    rows.count("at work on A after it", at_work, Limit::Exactly(50));
    rows.count("closed on A", before.closed("").0, Limit::Exactly(0));
    let highest = highest(&stage);
    let more = b.workers(&names("new", 50), ask);
    rows.count(
        "new claims that are live",
        more.live(SOON).await,
        Limit::Exactly(50),
    );
    let after = b.workers(&keys, ask);
    rows.count(
        "keys that B takes over",
        after.live(SOON).await,
        Limit::Exactly(50),
    );
    let judge = stage.resource.judge();
    let later = judge.entries().iter().skip(50);
    let below = later.filter(|entry| entry.epoch <= highest).count();
    rows.count("epochs that do not go on", below, Limit::Exactly(0));
    let counts = judge.counts();
    rows.count(
        "overlaps",
        counts.overlaps + counts.overlaps_told,
        Limit::Exactly(0),
    );
    rows.count("refused as older", counts.refused, Limit::Exactly(0));
    Ok(())
}

fn highest(stage: &crate::stage::Stage) -> u64 {
    let judge = stage.resource.judge();
    let epochs = judge.entries().iter().map(|entry| entry.epoch);
    epochs.max().unwrap_or_default()
}
