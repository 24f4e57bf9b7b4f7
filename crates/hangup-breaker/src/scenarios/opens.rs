//! Many clients of few keys, on all nodes at once, of which some hang up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::dice::Dice;
use crate::failure::Failure;
use crate::node::{Ask, Node};
use crate::report::{Limit, Rows};
use crate::stage::{Lab, SOON, Stage, names};
use crate::stream::Stream;

const OPENS: usize = 2000;
const KEYS: usize = 20;
/// How many are on their way at once.
const AT_ONCE: usize = 24;

pub(super) async fn run(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let stage = lab.stage().await?;
    let nodes = [
        stage.node("a").await?,
        stage.node("b").await?,
        stage.node("c").await?,
    ];
    let nodes = Arc::new(nodes);
    let keys = names("key", KEYS);
    let begun = Instant::now();
    let mut streams = storm(&nodes, &keys).await;
    rows.time("the storm takes", begun.elapsed(), Limit::Told);
    let was_live = streams.iter().filter(|(_, it)| it.seen().live.is_some());
    rows.count("live at some time", was_live.count(), Limit::Told);
    let active = settled(&stage, &keys, &streams).await;
    rows.count(
        "most owners of a key after it",
        most(&active),
        Limit::AtMost(1),
    );

    let (mut stuck, mut last) = (0, Vec::new());
    for (number, key) in keys.iter().enumerate() {
        let node = &nodes[number % nodes.len()];
        let stream = node.worker(key, Ask::default());
        stuck += u64::from(!stream.is_live_by(Instant::now() + SOON).await);
        last.push((number, stream));
    }
    streams.extend(last);
    let active = settled(&stage, &keys, &streams).await;
    let single = active.iter().filter(|owners| **owners == 1);
    rows.count("keys that cannot be claimed then", stuck, Limit::Exactly(0));
    rows.count(
        "keys with one active owner at the end",
        single.count(),
        Limit::Exactly(20),
    );
    let counts = stage.resource.counts();
    rows.count(
        "overlaps",
        counts.overlaps + counts.overlaps_told,
        Limit::Exactly(0),
    );
    rows.count(
        "set-ups that arrive after their undo",
        counts.late_entries,
        Limit::Told,
    );
    rows.count("late undos", counts.late_undos, Limit::Exactly(0));
    rows.count("refused as older", counts.refused, Limit::Exactly(0));
    Ok(())
}

/// Opens all, and returns those that have not hung up, with the number of the key.
async fn storm(nodes: &Arc<[Node; 3]>, keys: &[String]) -> Vec<(usize, Stream)> {
    let mut dice = Dice::of(3);
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut opens = JoinSet::new();
    for _ in 0..OPENS {
        let key = dice.below(KEYS);
        let (node, name) = (dice.below(nodes.len()), keys[key].clone());
        // A tenth hangs up, before, in or after the set-up.
        let life = (dice.below(10) == 0).then(|| Duration::from_micros(dice.roll() % 40_000));
        let (nodes, at_once) = (Arc::clone(nodes), Arc::clone(&at_once));
        opens.spawn(async move {
            let permit = at_once.acquire_owned().await;
            let stream = nodes[node].worker(&name, Ask::default());
            match life {
                Some(life) => {
                    // The moment of a hang-up is a point in time.
                    sleep(life).await;
                    return None;
                }
                None => {
                    stream.is_live_by(Instant::now() + SOON).await;
                }
            }
            drop(permit);
            Some((key, stream))
        });
    }
    opens.join_all().await.into_iter().flatten().collect()
}

/// How many streams of each key are live and open, when it is one at most, or some time has passed.
async fn settled(stage: &Stage, keys: &[String], streams: &[(usize, Stream)]) -> Vec<usize> {
    let count = || {
        let mut active = vec![0; keys.len()];
        for (key, stream) in streams {
            let seen = stream.seen();
            active[*key] += usize::from(seen.live.is_some() && seen.ended.is_none());
        }
        active
    };
    let deadline = Instant::now() + SOON;
    loop {
        let active = count();
        // What the resource has inside is what the clients see.
        let inside = {
            let judge = stage.resource.judge();
            keys.iter()
                .map(|key| usize::from(judge.is_inside(key)))
                .collect::<Vec<_>>()
        };
        if active == inside || Instant::now() >= deadline {
            return active;
        }
        // Between two looks.
        sleep(Duration::from_millis(10)).await;
    }
}

fn most(active: &[usize]) -> usize {
    active.iter().copied().max().unwrap_or_default()
}
