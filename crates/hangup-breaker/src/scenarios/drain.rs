//! A node is drained, and its clients come to another one.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::node::Ask;
use crate::report::{Limit, Rows};
use crate::resource::Told;
use crate::stage::{Lab, SOON, all_live, names, owned};

pub(super) async fn run(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let stage = lab.stage().await?;
    let (mut a, b) = (stage.node("a").await?, stage.node("b").await?);
    let ask = Ask {
        undo: Some(Duration::from_millis(30)),
        ..Ask::default()
    };
    let keys = names("drain", 200);
    let before = a.workers(&keys, ask);
    all_live(&before).await?;
    let begun = Instant::now();
    a.process.terminate()?;
    let after = b.workers(&keys, ask);
    rows.count("live on B", after.live(SOON).await, Limit::Exactly(200));
    let limit = Limit::Within(Duration::from_secs(2));
    rows.time("the last", after.live_after(begun).longest(), limit);
    let ended = before.meet(SOON, |seen| seen.ended.is_some()).await;
    rows.count("closed on A", ended, Limit::Exactly(200));
    let status = a.process.ended(SOON).await?;
    rows.time(
        "A has exited",
        begun.elapsed(),
        Limit::Within(Duration::from_secs(2)),
    );
    rows.count(
        "with success",
        u64::from(status.success()),
        Limit::Exactly(1),
    );
    let settled = owned(&stage.resource.judge(), &keys, &b, Some(Told::Settled));
    rows.count("told settled", settled, Limit::Exactly(200));
    let counts = stage.resource.counts();
    rows.count(
        "overlaps",
        counts.overlaps + counts.overlaps_told,
        Limit::Exactly(0),
    );
    rows.count("late undos", counts.late_undos, Limit::Exactly(0));
    Ok(())
}
