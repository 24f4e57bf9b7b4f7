//! The connection of a node to the engine is reset in the middle of claims, whose clients leave.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::failure::Failure;
use crate::node::Ask;
use crate::report::{Limit, Rows};
use crate::stage::{FREE, Lab, SOON, names};

/// The claims go in a few packets: it is cut behind this one, before its answers.
const PACKETS: [u64; 2] = [1, 3];
const AWAY: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(8)];

pub(super) async fn run(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    for away in AWAY {
        for packets in PACKETS {
            let stage = lab.stage().await?;
            let ((a, proxy), b) = (stage.node_behind_proxy("a").await?, stage.node("b").await?);
            let keys = names("cut", 20);
            proxy.cut_after(packets);
            let before = a.workers(&keys, Ask::default());
            if timeout(SOON, proxy.has_cut()).await.is_err() {
                return Err(Failure::overdue("the claims have been cut", SOON));
            }
            // The clients leave.
            drop(before);
            // It is cut for so long.
            sleep(away).await;
            proxy.heal();
            let healed = Instant::now();
            let after = b.workers(&keys, Ask::default());
            let live = after.live(SOON).await;
            let when = format!("healed after {} s, cut at packet {packets}", away.as_secs());
            rows.count(format!("live on B, {when}"), live, Limit::Exactly(20));
            let last = after.live_after(healed).longest();
            rows.time(format!("the last, {when}"), last, Limit::Within(FREE));
            let counts = stage.resource.counts();
            rows.count(
                format!("overlaps, {when}"),
                counts.overlaps,
                Limit::Exactly(0),
            );
        }
    }
    Ok(())
}
