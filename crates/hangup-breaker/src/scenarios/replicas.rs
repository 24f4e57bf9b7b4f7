//! Three servers keep everything three times, and each is killed in its turn.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::engine::Kind;
use crate::failure::Failure;
use crate::node::{Ask, Node};
use crate::report::{Limit, Rows};
use crate::stage::{LEASE, Lab, SOON, Stage, all_live, names};

/// The servers wait between four and nine seconds until they elect a leader; then a renewal comes,
/// and a claim.
const ELECTION: Duration = Duration::from_secs(12);
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn run(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    if lab.kind != Kind::Nats {
        return Ok(());
    }
    let mut stage = lab.stage_on(Kind::ThreeNats).await?;
    let nodes = [start(&stage, "a").await?, start(&stage, "b").await?];
    let ask = Ask {
        work: Some(Duration::from_millis(200)),
        undo: Some(Duration::from_millis(30)),
        hold: Some(Duration::from_secs(60)),
    };
    let keys = names("three", 50);
    let mut owners = nodes[0].workers(&keys, ask);
    all_live(&owners).await?;
    for number in 0..stage.engine.servers() {
        let killed = Instant::now();
        stage.engine.kill_one(number);
        // Some may be refused, as their clients are told, while there is no leader.
        let next = &nodes[(number + 1) % 2];
        let streams = keys.iter().map(|key| next.worker_by(key, ask, SOON));
        let streams = futures::future::join_all(streams).await;
        let streams: Vec<_> = streams.into_iter().flatten().collect();
        let what = format!("server {} killed", number + 1);
        rows.count(
            format!("{what}: taken over"),
            streams.len(),
            Limit::Exactly(50),
        );
        let streams = crate::stream::Streams(streams);
        let times = streams.live_after(killed);
        rows.time(format!("{what}: p50"), times.percentile(50), Limit::Told);
        rows.time(
            format!("{what}: the last"),
            times.longest(),
            Limit::Within(ELECTION),
        );
        let waited = streams
            .0
            .iter()
            .filter(|stream| stream.begun() < killed + LEASE);
        rows.count(
            format!("{what}: by their first request"),
            waited.count(),
            Limit::Told,
        );
        let ended = owners.meet(SOON, |seen| seen.ended.is_some()).await;
        rows.count(format!("{what}: closed before"), ended, Limit::Exactly(50));
        stage.engine.restart_one(number);
        // Until it is back in step, another one may not be away.
        for node in &nodes {
            node.worker_by("probe", ask, PATIENCE).await?;
        }
        owners = streams;
    }
    let counts = stage.resource.counts();
    rows.count("overlaps", counts.overlaps, Limit::Exactly(0));
    // The lease is shorter than an election: the sessions of both nodes have run out then, and a
    // newcomer may bury the owner's before it is back.
    let told = counts.overlaps_told;
    rows.count("overlaps that the successor was told of", told, Limit::Told);
    rows.count("late undos, all fenced", counts.late_undos, Limit::Told);
    rows.count(
        "late calls that are not fenced",
        counts.unfenced,
        Limit::Exactly(0),
    );
    rows.count("late writes", counts.late_writes, Limit::Exactly(0));
    Ok(())
}

/// Servers that have just begun elect their leader first: a node is told that nothing answers.
async fn start(stage: &Stage, name: &str) -> Result<Node, Failure> {
    let begun = Instant::now();
    loop {
        match stage.node(name).await {
            Err(Failure::Unexpected(_)) if begun.elapsed() < PATIENCE => {
                // Between two attempts, as a supervisor does.
                sleep(Duration::from_millis(100)).await;
            }
            started => return started,
        }
    }
}
