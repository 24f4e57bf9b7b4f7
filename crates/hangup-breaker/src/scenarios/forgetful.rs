//! The engine forgets everything that it has acknowledged.

use std::time::{Duration, Instant};

use crate::engine::Kind;
use crate::failure::Failure;
use crate::node::Ask;
use crate::report::{Limit, Rows};
use crate::stage::{LEASE, Lab, SOON, all_live, names};

pub(super) async fn run(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    if lab.kind != Kind::Redis {
        return Ok(());
    }
    let mut stage = lab.stage_on(Kind::Forgetful).await?;
    let (a, b) = (stage.node("a").await?, stage.node("b").await?);
    let ask = Ask {
        work: Some(Duration::from_millis(200)),
        undo: Some(Duration::from_millis(30)),
        hold: None,
    };
    let keys = names("lost", 50);
    let before = a.workers(&keys, ask);
    all_live(&before).await?;
    let killed = Instant::now();
    stage.engine.kill();
    stage.engine.restart();
    let ended = before.meet(SOON, |seen| seen.ended.is_some()).await;
    rows.count("closed on A", ended, Limit::Exactly(50));
    rows.count("as lost", before.closed("lost").1, Limit::Exactly(50));
    let times = before.ended_after(killed);
    rows.time("the last", times.longest(), Limit::Within(LEASE));
    // B cannot know of them: what it claims is free.
    let have_left = stage
        .resource
        .until(SOON, |judge| judge.inside().is_empty())
        .await;
    rows.count(
        "their undos have reached the resource",
        u64::from(have_left),
        Limit::Exactly(1),
    );
    let ready = b.worker_by("ready", ask, SOON).await?;
    let after = b.workers(&keys, ask);
    rows.count("live on B", after.live(SOON).await, Limit::Exactly(50));
    let judge = stage.resource.judge();
    // The entries of one moment may arrive in another order than they were claimed in.
    let (old, new) = judge.entries().split_at(50.min(judge.entries().len()));
    let highest = old
        .iter()
        .map(|entry| entry.epoch)
        .max()
        .unwrap_or_default();
    let below = new.iter().filter(|entry| entry.epoch <= highest).count();
    rows.count("epochs that run backwards", below, Limit::Exactly(0));
    let counts = judge.counts();
    rows.count(
        "overlaps",
        counts.overlaps + counts.overlaps_told,
        Limit::Exactly(0),
    );
    rows.count("locked out by the fence", counts.refused, Limit::Exactly(0));
    drop(ready);
    Ok(())
}

/// As soon as the engine is back, B takes what A has: before A knows.
pub(super) async fn at_once(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    if lab.kind != Kind::Redis {
        return Ok(());
    }
    let mut stage = lab.stage_on(Kind::Forgetful).await?;
    let (a, b) = (stage.node("a").await?, stage.node("b").await?);
    let ask = Ask {
        work: Some(Duration::from_millis(50)),
        undo: Some(Duration::from_millis(30)),
        hold: None,
    };
    let keys = names("lost", 50);
    let before = a.workers(&keys, ask);
    all_live(&before).await?;
    stage.engine.kill();
    stage.engine.restart();
    let ready = b.worker_by("ready", ask, SOON).await?;
    let after = b.workers(&keys, ask);
    rows.count("live on B", after.live(SOON).await, Limit::Exactly(50));
    let ended = before.meet(SOON, |seen| seen.ended.is_some()).await;
    rows.count("closed on A", ended, Limit::Exactly(50));
    let counts = stage.resource.counts();
    rows.count(
        "overlaps that B was told of",
        counts.overlaps_told,
        Limit::Told,
    );
    rows.count(
        "overlaps that B was not told of",
        counts.overlaps,
        Limit::Told,
    );
    rows.count("late writes, all fenced", counts.late_writes, Limit::Told);
    rows.count(
        "late calls that are not fenced",
        counts.unfenced,
        Limit::Exactly(0),
    );
    rows.count("locked out by the fence", counts.refused, Limit::Exactly(0));
    drop(ready);
    Ok(())
}
