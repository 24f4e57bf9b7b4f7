//! Records are changed by compare-and-swap alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bench::{Bench, conflicts, holds, write};
use super::outcome::{Checked, Found, Stop, Text, ensure};
use super::waiting::{all, both};
use crate::engine::{Claims, Revision, Swapped};

const NODES: usize = 8;
const INCREMENTS: u64 = 25;

/// Each of several nodes increments one count, by what it has read.
pub(super) async fn contention_loses_no_write(bench: &Bench<'_>) -> Checked {
    let name = &bench.name("count");
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(bench.claims().await?);
    }
    let counted = all(nodes.iter().map(|node| async move {
        let mut written = Vec::new();
        while written.len() < INCREMENTS as usize {
            written.extend(increment(&**node, name).await?);
        }
        Ok::<_, Stop>(written)
    }))
    .await;
    let mut revisions = BTreeMap::new();
    for written in counted {
        for (count, revision) in written? {
            let other = revisions.insert(count, revision);
            ensure!(other.is_none(), "two nodes have counted {count}");
        }
    }
    let total = NODES as u64 * INCREMENTS;
    ensure!(
        revisions.keys().copied().eq(1..=total),
        "{} of {total} increments are there",
        revisions.len()
    );
    ensure!(
        revisions.values().is_sorted_by(|a, b| a < b),
        "the revisions of one record do not ascend: {revisions:?}"
    );
    let last = revisions[&total];
    holds(&*nodes[0], name, last, total.to_string().as_bytes()).await
}

/// The count that was written and its revision, or nothing at a conflict.
async fn increment(node: &dyn Claims, name: &str) -> Checked<Option<(u64, Revision)>> {
    let record = node.load(name).await?;
    let count = match &record {
        Some(record) => {
            let count = std::str::from_utf8(&record.value).ok();
            let count = count.and_then(|count| count.parse::<u64>().ok());
            count.ok_or_else(|| Stop::Failed(format!("no count: {}", Text(&record.value))))?
        }
        None => 0,
    } + 1;
    let expected = record.map(|record| record.revision);
    let value = count.to_string().into_bytes();
    Ok(match node.swap(name, expected, value, None).await? {
        Swapped::Done(revision) => Some((count, revision)),
        Swapped::Conflict => None,
    })
}

pub(super) async fn expected_none_on_a_record_is_a_conflict(bench: &Bench<'_>) -> Checked {
    let (claims, name) = (bench.claims().await?, bench.name("record"));
    let first = write(&*claims, &name, None, b"first", None).await?;
    conflicts(&*claims, &name, None, None).await?;
    conflicts(&*claims, &name, None, Some(bench.timing.ttl)).await?;
    holds(&*claims, &name, first, b"first").await
}

pub(super) async fn expected_without_a_record_is_a_conflict(bench: &Bench<'_>) -> Checked {
    let (claims, name) = (bench.claims().await?, bench.name("record"));
    let other = write(&*claims, &bench.name("other"), None, b"", None).await?;
    for expected in [Revision(0), Revision(1), other] {
        conflicts(&*claims, &name, Some(expected), None).await?;
    }
    let found = claims.load(&name).await?;
    ensure!(
        found.is_none(),
        "a record that was not written is {}",
        Found(found.as_ref())
    );
    Ok(())
}

pub(super) async fn another_revision_is_a_conflict(bench: &Bench<'_>) -> Checked {
    let (claims, name) = (bench.claims().await?, bench.name("record"));
    let first = write(&*claims, &name, None, b"first", None).await?;
    let other = write(&*claims, &bench.name("other"), None, b"", None).await?;
    let second = write(&*claims, &name, Some(first), b"second", None).await?;
    for expected in [first, other, Revision(0), Revision(second.0 + 1)] {
        conflicts(&*claims, &name, Some(expected), None).await?;
    }
    holds(&*claims, &name, second, b"second").await
}

pub(super) async fn revisions_ascend_over_all_records(bench: &Bench<'_>) -> Checked {
    let nodes = [bench.claims().await?, bench.claims().await?];
    let mut last = Revision(0);
    let mut records: BTreeMap<usize, Revision> = BTreeMap::new();
    for n in 0..60 {
        let (node, record) = (&nodes[n % 2], n % 7);
        let name = bench.name(&format!("record-{record}"));
        let expected = records.get(&record).copied();
        let revision = write(&**node, &name, expected, b"", None).await?;
        ensure!(revision > last, "revision {revision} comes after {last}");
        last = revision;
        records.insert(record, revision);
    }
    Ok(())
}

/// What one node was told that it has written, another reads at once.
pub(super) async fn a_write_is_seen_by_all_at_once(bench: &Bench<'_>) -> Checked {
    let nodes = [
        bench.claims().await?,
        bench.claims().await?,
        bench.claims().await?,
    ];
    let name = bench.name("record");
    let mut last = None;
    for n in 0..60 {
        let value = n.to_string();
        let revision = write(&*nodes[n % 3], &name, last, value.as_bytes(), None).await?;
        holds(&*nodes[(n + 1) % 3], &name, revision, value.as_bytes()).await?;
        holds(&*nodes[(n + 2) % 3], &name, revision, value.as_bytes()).await?;
        last = Some(revision);
    }
    Ok(())
}

/// The one who buries a session and the one who takes it up again write the same absent record.
pub(super) async fn one_of_two_writes_an_absent_record(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.claims().await?, bench.claims().await?);
    for round in 0..100 {
        race(&a, &b, &bench.name(&format!("session-{round}"))).await?;
    }
    // Those that were there, and have gone by themselves.
    let ended: Vec<_> = (0..20).map(|n| bench.name(&format!("ended-{n}"))).collect();
    for name in &ended {
        write(&*a, name, None, b"session", Some(bench.timing.ttl)).await?;
    }
    for name in &ended {
        let gone = async {
            while a.load(name).await?.is_some() {
                bench.sleep(bench.timing.ttl / 20).await;
            }
            Ok::<_, Stop>(())
        };
        bench.within("the end of a time to live", gone).await??;
        race(&a, &b, name).await?;
    }
    Ok(())
}

async fn race(a: &Arc<dyn Claims>, b: &Arc<dyn Claims>, name: &str) -> Checked {
    let (of_a, of_b) = both(
        a.swap(name, None, b"buried".to_vec(), None),
        b.swap(name, None, b"resurrected".to_vec(), None),
    )
    .await;
    match (of_a?, of_b?) {
        (Swapped::Done(revision), Swapped::Conflict) => {
            holds(&**b, name, revision, b"buried").await
        }
        (Swapped::Conflict, Swapped::Done(revision)) => {
            holds(&**a, name, revision, b"resurrected").await
        }
        (of_a, of_b) => Err(Stop::Failed(format!(
            "two write one absent record: {of_a:?} and {of_b:?}"
        ))),
    }
}
