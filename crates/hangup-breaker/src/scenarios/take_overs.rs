//! A client that comes back again and again, on the other node each time.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::node::Ask;
use crate::report::{Limit, Rows, Times};
use crate::resource::Told;
use crate::stage::{Lab, SOON};

const TIMES: usize = 60;
const UNDO: Duration = Duration::from_millis(30);

pub(super) async fn run(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let stage = lab.stage().await?;
    let nodes = [stage.node("a").await?, stage.node("b").await?];
    let ask = Ask {
        undo: Some(UNDO),
        ..Ask::default()
    };
    let mut owner = nodes[1].worker_by("w", ask, SOON).await?;
    let (mut times, mut superseded, mut unsettled) = (Times::default(), 0, 0);
    for time in 0..TIMES {
        let next = nodes[time % 2].worker("w", ask);
        let deadline = Instant::now() + SOON;
        if !next.is_live_by(deadline).await {
            let why = next.seen().failed.unwrap_or_default();
            return Err(Failure::overdue(format!("take-over {time}: {why}"), SOON));
        }
        let live = next.seen().live;
        times.extend(live.map(|live| live.saturating_duration_since(next.begun())));
        let told = stage.resource.judge().last("w").map(|it| it.predecessor);
        unsettled += u64::from(told != Some(Told::Settled));
        owner.until(deadline, |seen| seen.ended.is_some()).await;
        let closed = owner.seen().closed.unwrap_or_default();
        superseded += u64::from(closed.contains("superseded"));
        owner = next;
    }
    let counts = stage.resource.counts();
    rows.count("closed as superseded", superseded, Limit::Exactly(60));
    rows.count("told unsettled", unsettled, Limit::Exactly(0));
    rows.count(
        "overlaps",
        counts.overlaps + counts.overlaps_told,
        Limit::Exactly(0),
    );
    rows.count("late undos", counts.late_undos, Limit::Exactly(0));
    let limit = Limit::Within(Duration::from_millis(80));
    rows.time("p50, with the undo of 30 ms", times.percentile(50), limit);
    let limit = Limit::Within(Duration::from_millis(200));
    rows.time("p99", times.percentile(99), limit);
    Ok(())
}
