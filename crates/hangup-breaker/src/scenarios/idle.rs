//! What many claims cost that do nothing: the calls of the engine are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hangup::Scope;
use hangup_cluster::engine::{Answer, Claims, Record, Revision, Swapped};
use hangup_cluster::{Cluster, RegisteringExt};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::engine::Connected;
use crate::failure::Failure;
use crate::report::{Limit, Rows};
use crate::stage::{LEASE, Lab};

const CLAIMS: usize = 100_000;
const TASKS: usize = 64;
/// For how long the calls are counted.
const LEASES: u32 = 3;
/// A node renews after a third of its lease. One call more may fall into the time.
const CALLS: u64 = 3 * LEASES as u64 + 1;

/// Counts the calls.
struct Counted {
    claims: Arc<dyn Claims>,
    calls: AtomicU64,
}

impl Counted {
    fn count(&self) -> &dyn Claims {
        self.calls.fetch_add(1, Ordering::Relaxed);
        &*self.claims
    }
}

impl Claims for Counted {
    fn adopt(&self) -> Answer<'_, ()> {
        self.count().adopt()
    }

    fn load<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Record>> {
        self.count().load(name)
    }

    fn swap<'a>(
        &'a self,
        name: &'a str,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, Swapped> {
        self.count().swap(name, expected, value, ttl)
    }
}

pub(super) async fn run(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let stage = lab.stage().await?;
    let Connected { claims, hints, log } = stage.engine.connect().await?;
    let counted = Arc::new(Counted {
        claims,
        calls: AtomicU64::new(0),
    });
    let cluster = Cluster::builder_on(Arc::clone(&counted) as _, hints, log)
        .node("a")
        .lease(LEASE)
        .build();
    let cluster = cluster.await.map_err(std::io::Error::other)?;
    let scope = Scope::new();
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (cluster, scope) = (cluster.clone(), scope.clone());
        tasks.spawn(claim(cluster, scope, task));
    }
    let mut connections = Vec::new();
    for claimed in tasks.join_all().await {
        connections.extend(claimed?);
    }
    rows.count("claimed", cluster.claims(), Limit::Exactly(CLAIMS as u64));
    let took = begun.elapsed().as_secs_f64();
    rows.tell("claims per second", format!("{:.0}", CLAIMS as f64 / took));
    let before = counted.calls.load(Ordering::Relaxed);
    // For so long they do nothing.
    sleep(LEASE * LEASES).await;
    let calls = counted.calls.load(Ordering::Relaxed) - before;
    rows.count(
        "calls of the engine in three leases",
        calls,
        Limit::AtMost(CALLS),
    );
    rows.count("of them, at least", calls, Limit::AtLeast(CALLS - 2));
    let lost = connections
        .iter()
        .filter(|it| it.handle().state().closed().is_some());
    rows.count("closed", lost.count(), Limit::Exactly(0));
    Ok(())
}

async fn claim(
    cluster: Cluster,
    scope: Scope,
    task: usize,
) -> Result<Vec<hangup::Registering>, Failure> {
    let mut connections = Vec::new();
    for number in (task..CLAIMS).step_by(TASKS) {
        let key = cluster.key("idle", number.to_string());
        let key = key.map_err(std::io::Error::other)?;
        let pending = scope.open().map_err(std::io::Error::other)?;
        let mut setup = pending.register().map_err(std::io::Error::other)?;
        setup.claim(&key).await.map_err(std::io::Error::other)?;
        connections.push(setup);
    }
    Ok(connections)
}
