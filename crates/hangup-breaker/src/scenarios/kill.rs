//! A node is killed.

use std::time::Instant;

use crate::failure::Failure;
use crate::node::Ask;
use crate::report::{Limit, Rows};
use crate::resource::Told;
use crate::stage::{FREE, Lab, SOON, all_live, names, owned};

pub(super) async fn run(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let stage = lab.stage().await?;
    let (mut a, b) = (stage.node("a").await?, stage.node("b").await?);
    let keys = names("kill", 50);
    let before = a.workers(&keys, Ask::default());
    all_live(&before).await?;
    let killed = Instant::now();
    a.process.kill().await?;
    let after = b.workers(&keys, Ask::default());
    rows.count("live on B", after.live(SOON).await, Limit::Exactly(50));
    let times = after.live_after(killed);
    rows.time("p50, after the kill", times.percentile(50), Limit::Told);
    rows.time("the last", times.longest(), Limit::Within(FREE));
    let unsettled = owned(&stage.resource.judge(), &keys, &b, Some(Told::Unsettled));
    rows.count("told unsettled", unsettled, Limit::Exactly(50));
    rows.count(
        "overlaps",
        stage.resource.counts().overlaps,
        Limit::Exactly(0),
    );
    Ok(())
}
