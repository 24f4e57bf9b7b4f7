//! The engine is away for three leases.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::failure::Failure;
use crate::node::{Ask, Node};
use crate::report::{Limit, Rows};
use crate::resource::Told;
use crate::stage::{LEASE, Lab, SOON, Stage, all_live, names, owned};
use crate::stream::Streams;

const AWAY: Duration = Duration::from_secs(9);
const WORK: Duration = Duration::from_millis(200);
const CLOSE: Ask = Ask {
    work: Some(WORK),
    undo: Some(Duration::from_millis(30)),
    hold: None,
};
const HOLD: Ask = Ask {
    hold: Some(Duration::from_secs(60)),
    ..CLOSE
};

pub(super) async fn close(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let mut stage = lab.stage().await?;
    let a = stage.node("a").await?;
    let keys = names("away", 50);
    let before = a.workers(&keys, CLOSE);
    all_live(&before).await?;
    let killed = Instant::now();
    stage.engine.kill();
    let ended = before.meet(AWAY, |seen| seen.ended.is_some()).await;
    rows.count("closed on A", ended, Limit::Exactly(50));
    rows.count("as lost", before.closed("lost").1, Limit::Exactly(50));
    let times = before.ended_after(killed);
    rows.time("the last", times.longest(), Limit::Within(LEASE));
    bring_back(&mut stage, killed).await;
    a.worker_by("ready", CLOSE, SOON).await?;
    let after = a.workers(&keys, CLOSE);
    rows.count(
        "live again on A",
        after.live(SOON).await,
        Limit::Exactly(50),
    );
    let counts = stage.resource.counts();
    rows.count(
        "overlaps",
        counts.overlaps + counts.overlaps_told,
        Limit::Exactly(0),
    );
    rows.count("late undos", counts.late_undos, Limit::Exactly(0));
    Ok(())
}

pub(super) async fn hold(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let mut stage = lab.stage().await?;
    let (a, b) = (stage.node("a").await?, stage.node("b").await?);
    let keys = names("away", 50);
    let before = a.workers(&keys, HOLD);
    all_live(&before).await?;
    let killed = Instant::now();
    stage.engine.kill();
    let silent = falls_silent(&a, &stage).await;
    rows.count("acts while the lease has lapsed", silent, Limit::Exactly(0));
    bring_back(&mut stage, killed).await;
    let back = Instant::now();
    let acts = acts(&before);
    let goes_on = before.meet(SOON, |seen| seen.events > acts).await;
    rows.count("at work on A after it", goes_on, Limit::Exactly(50));
    rows.time(
        "the first act after it is back",
        back.elapsed(),
        Limit::Told,
    );
    rows.count("closed on A", before.closed("").0, Limit::Exactly(0));
    // Each node finds by itself that the engine is back, and claims nothing before.
    b.worker_by("ready", HOLD, SOON).await?;
    let after = b.workers(&keys, HOLD);
    rows.count(
        "keys that B takes over",
        after.live(SOON).await,
        Limit::Exactly(50),
    );
    let settled = owned(&stage.resource.judge(), &keys, &b, Some(Told::Settled));
    rows.count("told settled", settled, Limit::Exactly(50));
    let counts = stage.resource.counts();
    rows.count(
        "overlaps",
        counts.overlaps + counts.overlaps_told,
        Limit::Exactly(0),
    );
    rows.count("late undos", counts.late_undos, Limit::Exactly(0));
    rows.count("late writes", counts.late_writes, Limit::Exactly(0));
    Ok(())
}

/// How many acts reach the resource in a second, once A refuses claims: its lease has run out then.
async fn falls_silent(a: &Node, stage: &Stage) -> u64 {
    let refused = async {
        loop {
            let stream = a.worker("probe", CLOSE);
            let deadline = Instant::now() + LEASE;
            stream.until(deadline, |seen| seen.refused.is_some()).await;
            if stream.seen().refused == Some(503) {
                return;
            }
        }
    };
    // If it refuses none, the acts that are counted then tell.
    let _ = tokio::time::timeout(LEASE * 2, refused).await;
    let before = stage.resource.counts().writes;
    // Silence has no end to wait for.
    sleep(Duration::from_secs(1)).await;
    stage.resource.counts().writes - before
}

/// Starts the engine again when it has been away for nine seconds.
async fn bring_back(stage: &mut Stage, killed: Instant) {
    sleep((killed + AWAY).saturating_duration_since(Instant::now())).await;
    stage.engine.restart();
}

fn acts(streams: &Streams) -> u64 {
    let acts = streams.0.iter().map(|stream| stream.seen().events);
    acts.max().unwrap_or_default()
}
