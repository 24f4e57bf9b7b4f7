//! A node is stopped for longer than its lease, and goes on.

use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use crate::failure::Failure;
use crate::node::Ask;
use crate::report::{Limit, Rows, Times};
use crate::resource::Judge;
use crate::stage::{FREE, Lab, SOON, all_live, names};

const KEYS: usize = 50;
const STOPPED: Duration = Duration::from_millis(4700);
/// All act at about the same time, and it is stopped between two of these: an act that has passed
/// the gate before the stop, and is not sent, goes out after it. So the time between them is far
/// longer than it takes all to begin, and shorter than the stop, after which all of them are due.
const WORK: Duration = Duration::from_secs(4);

pub(super) async fn run(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let stage = lab.stage().await?;
    let (a, b) = (stage.node("a").await?, stage.node("b").await?);
    let rounds = if lab.is_long { 5 } else { 1 };
    let ask = Ask {
        work: Some(WORK),
        undo: Some(Duration::ZERO),
        ..Ask::default()
    };
    let (mut live, mut still_live, mut lost, mut closed) =
        (Times::default(), 0, 0, Times::default());
    for round in 0..rounds {
        let keys = names(&format!("stop{round}-"), KEYS);
        // After a round it may be without its lease.
        a.worker_by(&format!("ready{round}"), ask, SOON).await?;
        let writes = stage.resource.counts().writes;
        let before = a.workers(&keys, ask);
        all_live(&before).await?;
        before.meet(SOON, |seen| seen.events > 0).await;
        let begun: u64 = before.0.iter().map(|it| it.seen().events).sum();
        let all_came = |judge: &Judge| judge.counts().writes >= writes + begun;
        stage.resource.until(SOON, all_came).await;
        let stopped = Instant::now();
        a.process.stop()?;
        let after = b.workers(&keys, ask);
        after.live(SOON).await;
        live.extend(after.live_after(stopped).iter());
        // The stop is as long as this, and until B has all keys.
        sleep_until((stopped + STOPPED).into()).await;
        let undos = stage.resource.counts().late_undos;
        let went_on = Instant::now();
        a.process.go_on()?;
        before.meet(SOON, |seen| seen.ended.is_some()).await;
        closed.extend(before.ended_after(went_on).iter());
        lost += before.closed("lost").1;
        let expected = undos + u64::try_from(KEYS).unwrap_or_default();
        let all_came = |judge: &Judge| judge.counts().late_undos >= expected;
        stage.resource.until(SOON, all_came).await;
        let acts = after.0.iter().map(|stream| stream.seen().events).max();
        let acts = acts.unwrap_or_default();
        still_live += after
            .meet(SOON, |seen| seen.events > acts && seen.ended.is_none())
            .await;
    }
    let all = (KEYS * rounds) as u64;
    rows.count("rounds of 50 keys", rounds, Limit::Told);
    rows.count("not live on B", all - live.len() as u64, Limit::Exactly(0));
    rows.time("live on B, the last", live.longest(), Limit::Within(FREE));
    rows.count(
        "not closed as lost on A",
        all - lost as u64,
        Limit::Exactly(0),
    );
    let limit = Limit::Within(Duration::from_secs(1));
    rows.time(
        "closed on A after it goes on, the last",
        closed.longest(),
        limit,
    );
    rows.count(
        "not at work on B then",
        all - still_live as u64,
        Limit::Exactly(0),
    );
    let counts = stage.resource.counts();
    rows.count(
        "late writes that reach the resource",
        counts.late_writes,
        Limit::Exactly(0),
    );
    rows.count(
        "late undos that reach it, all fenced",
        counts.late_undos,
        Limit::Told,
    );
    rows.count(
        "late calls that are not fenced",
        counts.unfenced,
        Limit::Exactly(0),
    );
    rows.count("overlaps", counts.overlaps, Limit::Exactly(0));
    Ok(())
}
