//! What a claim of a free key costs, against one compare-and-swap of the engine: in one process,
//! without HTTP.

use std::time::{Duration, Instant};

use hangup::Scope;
use hangup_cluster::{Cluster, RegisteringExt};
use tokio::time::sleep;

use crate::engine::Connected;
use crate::failure::Failure;
use crate::report::{Limit, Rows, Times};
use crate::stage::{Lab, SOON};

/// Each measured as often, in turns.
const BATCHES: usize = 20;
const BATCH: usize = 200;

pub(super) async fn run(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let stage = lab.stage().await?;
    let engine = stage.engine.connect().await?;
    let Connected { claims, hints, log } = engine.clone();
    let cluster = Cluster::builder_on(claims, hints, log).node("a").build();
    let cluster = cluster.await.map_err(std::io::Error::other)?;
    let (mut swaps, mut claims) = (Times::default(), Times::default());
    for batch in 0..BATCHES {
        swaps.extend(swap(&engine, batch).await?.iter());
        claims.extend(claim(&cluster, batch).await?.iter());
    }
    for (what, times) in [("compare-and-swap", &swaps), ("claim", &claims)] {
        rows.time(format!("{what}, p50"), times.percentile(50), Limit::Told);
        rows.time(format!("{what}, p99"), times.percentile(99), Limit::Told);
    }
    let ratio = claims.percentile(50).as_nanos() * 100 / swaps.percentile(50).as_nanos().max(1);
    // What is not optimized is no measure.
    let limit = match cfg!(debug_assertions) {
        true => Limit::Told,
        false => Limit::AtMost(150),
    };
    rows.count(
        "p50 of a claim, in percent of a compare-and-swap",
        ratio,
        limit,
    );
    cluster.leave().await;
    Ok(())
}

/// Writes records that there are not, of the size of a claim's.
async fn swap(engine: &Connected, batch: usize) -> Result<Times, Failure> {
    let mut times = Vec::new();
    for number in 0..BATCH {
        let name = format!("cas.{batch}-{number}");
        let begun = Instant::now();
        let swapped = engine.claims.swap(&name, None, vec![b'x'; 150], None);
        swapped.await.map_err(std::io::Error::other)?;
        times.push(begun.elapsed());
    }
    Ok(times.into_iter().collect())
}

async fn claim(cluster: &Cluster, batch: usize) -> Result<Times, Failure> {
    let scope = Scope::new();
    let (mut times, mut connections) = (Vec::new(), Vec::new());
    for number in 0..BATCH {
        let key = cluster.key("cost", format!("{batch}-{number}"));
        let key = key.map_err(std::io::Error::other)?;
        let pending = scope.open().map_err(std::io::Error::other)?;
        let mut setup = pending.register().map_err(std::io::Error::other)?;
        let begun = Instant::now();
        setup.claim(&key).await.map_err(std::io::Error::other)?;
        times.push(begun.elapsed());
        connections.push(setup);
    }
    drop(connections);
    // What is released costs the next batch nothing.
    let deadline = Instant::now() + SOON;
    while cluster.claims() > 0 {
        if Instant::now() >= deadline {
            return Err(Failure::overdue("the claims are released", SOON));
        }
        // Between two looks.
        sleep(Duration::from_millis(1)).await;
    }
    Ok(times.into_iter().collect())
}
