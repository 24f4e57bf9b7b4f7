//! A reader of many events that hops between the nodes, each time behind the last event it has.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, timeout, timeout_at};

use crate::dice::Dice;
use crate::engine::Kind;
use crate::failure::Failure;
use crate::node::Node;
use crate::report::{Limit, Rows};
use crate::sse::Events;
use crate::stage::{Lab, Stage};

const EVENTS: u64 = 5000;
/// A stay on one node ends after fewer events than this: about 150 stays.
const STAY: usize = 67;
/// How many events the reader may be behind: the nodes keep more.
const BEHIND: u64 = 400;
const AT_MOST: Duration = Duration::from_secs(120);
/// For how long a killed engine is away.
const AWAY: Duration = Duration::from_millis(300);

pub(super) async fn hops(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let seen = read(lab.stage().await?, false).await?;
    seen.is_exact(rows);
    Ok(())
}

pub(super) async fn killed(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    let seen = read(lab.stage().await?, true).await?;
    seen.is_exact(rows);
    Ok(())
}

pub(super) async fn forgotten(lab: &Lab, rows: &mut Rows) -> Result<(), Failure> {
    if lab.kind == Kind::Redis {
        let seen = read(lab.stage_on(Kind::Forgetful).await?, true).await?;
        seen.tell(rows);
        rows.count("gaps that are told", seen.gaps.len(), Limit::AtLeast(1));
        let silently = if seen.gaps.is_empty() { seen.lost } else { 0 };
        rows.count("lost without a gap", silently, Limit::Exactly(0));
        rows.count("lost, as the gap tells", seen.lost, Limit::Told);
        rows.tell(
            "the first gap",
            seen.gaps.first().cloned().unwrap_or_default(),
        );
    }
    Ok(())
}

/// What the reader has seen.
struct Seen {
    hops: usize,
    lost: usize,
    doubled: usize,
    disordered: usize,
    /// Events that were published once more, since it was unknown whether they had been.
    again: u64,
    /// Of these, how many the log has twice.
    twice: usize,
    gaps: Vec<String>,
}

impl Seen {
    fn is_exact(&self, rows: &mut Rows) {
        self.tell(rows);
        rows.count("lost", self.lost, Limit::Exactly(0));
        rows.count("gaps", self.gaps.len(), Limit::Exactly(0));
    }

    fn tell(&self, rows: &mut Rows) {
        rows.count("hops", self.hops, Limit::AtLeast(100));
        rows.count("doubled", self.doubled, Limit::Exactly(0));
        rows.count("out of order", self.disordered, Limit::Exactly(0));
        rows.count("published again after no answer", self.again, Limit::Told);
        rows.count("of them, in the log twice", self.twice, Limit::Exactly(0));
    }
}

async fn read(mut stage: Stage, is_killed: bool) -> Result<Seen, Failure> {
    let nodes = [
        stage.node("a").await?,
        stage.node("b").await?,
        stage.node("c").await?,
    ];
    let nodes = Arc::new(nodes);
    let (progress, read_up_to) = watch::channel(0);
    let publisher = tokio::spawn(publish(Arc::clone(&nodes), read_up_to.clone()));
    let reader = tokio::spawn(hop(Arc::clone(&nodes), progress));
    if is_killed {
        let mut read_up_to = read_up_to;
        let half = read_up_to.wait_for(|seen| *seen >= EVENTS / 2);
        if !matches!(timeout(AT_MOST, half).await, Ok(Ok(_))) {
            return Err(Failure::overdue("half of the events are read", AT_MOST));
        }
        stage.engine.kill();
        // It is away for so long.
        sleep(AWAY).await;
        stage.engine.restart();
    }
    let again = publisher.await.map_err(std::io::Error::other)??;
    let mut seen = reader.await.map_err(std::io::Error::other)??;
    seen.again = again;
    Ok(seen)
}

/// Publishes the numbers up to the last one, each on the next node, and the same again when there
/// is no answer.
async fn publish(nodes: Arc<[Node; 3]>, mut read: watch::Receiver<u64>) -> Result<u64, Failure> {
    let (mut again, deadline) = (0, Instant::now() + AT_MOST);
    for number in 1..=EVENTS {
        let near = read.wait_for(|read| number <= read + BEHIND);
        if !matches!(timeout_at(deadline.into(), near).await, Ok(Ok(_))) {
            return Err(Failure::overdue(
                format!("event {number} may be sent"),
                AT_MOST,
            ));
        }
        let node = &nodes[usize::try_from(number).unwrap_or_default() % nodes.len()];
        loop {
            let body = number.to_string();
            let answer = node.request("POST", "/agents/1/messages", &body);
            if answer.await.is_ok_and(|answer| answer.status.is_success()) {
                break;
            }
            again += 1;
            if Instant::now() >= deadline {
                return Err(Failure::overdue(format!("event {number} is sent"), AT_MOST));
            }
            // As a client waits that is told that the server is busy.
            sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(again)
}

async fn hop(nodes: Arc<[Node; 3]>, progress: watch::Sender<u64>) -> Result<Seen, Failure> {
    let deadline = Instant::now() + AT_MOST;
    let (mut dice, mut last) = (Dice::of(14), None::<String>);
    let (mut ids, mut numbers) = (BTreeSet::new(), Vec::new());
    let mut seen = Seen {
        hops: 0,
        lost: 0,
        doubled: 0,
        disordered: 0,
        again: 0,
        twice: 0,
        gaps: Vec::new(),
    };
    while numbers.last() != Some(&EVENTS) {
        if Instant::now() >= deadline {
            return Err(Failure::overdue("the last event is read", AT_MOST));
        }
        let node = &nodes[seen.hops % nodes.len()];
        seen.hops += 1;
        let opened = Events::open(node.addr(), "/agents/1/events", last.as_deref()).await;
        let Ok(Ok(mut events)) = opened else {
            // As a client waits that was refused.
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        let mut rest = 1 + dice.below(STAY);
        while rest > 0 && numbers.last() != Some(&EVENTS) {
            let next = timeout_at(deadline.into(), events.next()).await;
            // It ends with the stream, or the connection; and the deadline is looked at above.
            let Ok(Ok(Some(event))) = next else { break };
            if event.name == "gap" {
                seen.gaps.push(event.data.clone());
                // What is missing is not waited for.
                progress.send_modify(|read| *read += BEHIND);
            }
            if event.name == "output" {
                rest -= 1;
                seen.doubled += usize::from(!ids.insert(event.id.clone()));
                let number = event.data.parse::<u64>();
                let number = number.map_err(|_| Failure::Unexpected(event.data.clone()))?;
                seen.disordered += usize::from(numbers.last() > Some(&number));
                numbers.push(number);
                progress.send_modify(|read| *read = number.max(*read));
            }
            if !event.id.is_empty() {
                last = Some(event.id);
            }
        }
    }
    let distinct: BTreeSet<_> = numbers.iter().collect();
    let more = numbers.len() - distinct.len();
    seen.twice = more.saturating_sub(seen.doubled);
    seen.lost = usize::try_from(EVENTS).unwrap_or_default() - distinct.len();
    Ok(seen)
}
