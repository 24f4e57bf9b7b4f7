//! A node is cut off from the engine, and does not notice but by silence.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::node::Ask;
use crate::report::{Limit, Rows};
use crate::resource::Told;
use crate::stage::{FREE, LEASE, Lab, SOON, all_live, names, owned};

const WORK: Duration = Duration::from_millis(200);
const HOLD: Duration = Duration::from_secs(60);

pub(super) async fn close(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let ask = Ask {
        work: Some(WORK),
        undo: Some(Duration::from_millis(30)),
        hold: None,
    };
    run(lab, rows, ask).await
}

pub(super) async fn hold(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let ask = Ask {
        work: Some(WORK),
        undo: Some(Duration::from_millis(30)),
        hold: Some(HOLD),
    };
    run(lab, rows, ask).await
}

/// B takes half of the keys of A, which is cut off.
async fn run(lab: &Lab, rows: &mut Rows, ask: Ask) -> Result<(), Failure> {
    let is_held = ask.hold.is_some();
    let stage = lab.stage().await?;
    let ((a, proxy), b) = (stage.node_behind_proxy("a").await?, stage.node("b").await?);
    let keys = names("cut", 20);
    let before = a.workers(&keys, ask);
    all_live(&before).await?;
    let stalled = Instant::now();
    proxy.stall();
    let half = &keys[..10];
    let after = b.workers(half, ask);
    rows.count("live on B", after.live(SOON).await, Limit::Exactly(10));
    rows.time(
        "the last",
        after.live_after(stalled).longest(),
        Limit::Within(FREE),
    );

    if is_held {
        // B has the keys, so the lease of A has run out: from here on it is silent.
        let ended = before.closed("").0;
        rows.count("closed on A while it is cut off", ended, Limit::Exactly(0));
    } else {
        let ended = before.meet(SOON, |seen| seen.ended.is_some()).await;
        rows.count("closed on A", ended, Limit::Exactly(20));
        rows.count(
            "closed as lost",
            before.closed("lost").1,
            Limit::Exactly(20),
        );
        let times = before.ended_after(stalled);
        rows.time(
            "closed on A, the last",
            times.longest(),
            Limit::Within(LEASE),
        );
    }
    let refused = a.worker("new", ask);
    refused
        .until(Instant::now() + SOON, |seen| seen.refused.is_some())
        .await;
    let seen = refused.seen();
    rows.count(
        "a new claim on A",
        seen.refused.unwrap_or_default(),
        Limit::Exactly(503),
    );
    let says_when = u64::from(seen.retry_after.is_some());
    rows.count(
        "which says when to come again",
        says_when,
        Limit::Exactly(1),
    );

    let counts = stage.resource.counts();
    rows.count(
        "late writes while it is cut off",
        counts.late_writes,
        Limit::Exactly(0),
    );
    proxy.heal();
    // It may be refused while A has no lease yet.
    let back = a.worker_by(&keys[0], ask, SOON).await?;
    let cleanly = owned(&stage.resource.judge(), &keys[..1], &a, Some(Told::Settled));
    rows.count(
        "A takes a key back cleanly after the heal",
        cleanly,
        Limit::Exactly(1),
    );
    let ended = before.meet(SOON, |seen| seen.ended.is_some()).await;
    let lost = before.closed("lost").1;
    if is_held {
        rows.count("closed on A after the heal", ended, Limit::Told);
    }
    rows.count(
        "of them as lost",
        lost,
        if is_held {
            Limit::Told
        } else {
            Limit::Exactly(20)
        },
    );
    let counts = stage.resource.counts();
    rows.count("overlaps", counts.overlaps, Limit::Exactly(0));
    let limit = if is_held {
        Limit::Told
    } else {
        Limit::Exactly(0)
    };
    rows.count("overlaps that B was told of", counts.overlaps_told, limit);
    rows.count("late undos", counts.late_undos, limit);
    rows.count("late writes", counts.late_writes, Limit::Exactly(0));
    rows.count(
        "late calls that are not fenced",
        counts.unfenced,
        Limit::Exactly(0),
    );
    drop(back);
    Ok(())
}
