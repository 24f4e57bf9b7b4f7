//! Undos that take longer than they may.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::node::{Ask, Node};
use crate::report::{Limit, Rows};
use crate::resource::Told;
use crate::stage::{Lab, SOON, Stage, all_live, names, owned};

/// The deadline that is passed, and the one that is not.
const SHORT: (&str, Duration) = ("0.5", Duration::from_millis(500));
const LONG: &str = "20";
const ASK: Ask = Ask {
    work: None,
    undo: Some(Duration::from_secs(10)),
    hold: None,
};
/// By how much the successor may be later than the deadline.
const MORE: Duration = Duration::from_secs(1);

pub(super) async fn given_up(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let stage = lab.stage().await?;
    let a = stage
        .node_with("a", &["--undo", SHORT.0, "--drain", LONG])
        .await?;
    let b = stage.node("b").await?;
    let keys = names("undo", 5);
    let before = a.workers(&keys, ASK);
    all_live(&before).await?;
    succeeds(&stage, &b, &keys, rows).await;
    Ok(())
}

pub(super) async fn drained(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let stage = lab.stage().await?;
    let a = stage
        .node_with("a", &["--undo", LONG, "--drain", SHORT.0])
        .await?;
    let b = stage.node("b").await?;
    let keys = names("undo", 5);
    let before = a.workers(&keys, ASK);
    all_live(&before).await?;
    a.process.terminate()?;
    succeeds(&stage, &b, &keys, rows).await;
    Ok(())
}

async fn succeeds(stage: &Stage, b: &Node, keys: &[String], rows: &mut Rows) {
    let begun = Instant::now();
    let after = b.workers(keys, Ask::default());
    rows.count("live on B", after.live(SOON).await, Limit::Exactly(5));
    let last = after.live_after(begun).longest();
    rows.time(
        "the last, with the deadline of 0.5 s",
        last,
        Limit::Within(SHORT.1 + MORE),
    );
    let unsettled = owned(&stage.resource.judge(), keys, b, Some(Told::Unsettled));
    rows.count("told unsettled", unsettled, Limit::Exactly(5));
    rows.count(
        "overlaps",
        stage.resource.counts().overlaps,
        Limit::Exactly(0),
    );
}
