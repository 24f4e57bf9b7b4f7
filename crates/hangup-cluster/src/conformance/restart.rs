//! What was acknowledged outlives a restart.

use super::bench::{Bench, holds, write};
use super::log::{ascends, publish};
use super::outcome::{Checked, Found, Item, Stop, Text, ensure};
use super::waiting::{both, next, until};
use crate::engine::{EngineError, LogEvent, Swapped};

pub(super) async fn records_outlive_a_restart(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.claims().await?, bench.claims().await?);
    let names: Vec<_> = (0..20)
        .map(|n| bench.name(&format!("record-{n}")))
        .collect();
    let mut revisions = Vec::new();
    for name in &names {
        revisions.push(write(&*a, name, None, name.as_bytes(), None).await?);
    }
    bench.restart().await?;
    let last = revisions[revisions.len() - 1];
    for (name, revision) in names.iter().zip(&revisions) {
        bench
            .again("a load after the restart", || b.load(name))
            .await?;
        holds(&*b, name, *revision, name.as_bytes()).await?;
    }
    bench
        .again("a load after the restart", || a.load(&names[0]))
        .await?;
    let next = write(&*a, &bench.name("new"), None, b"", None).await?;
    ensure!(
        next > last,
        "after the restart, revision {next} comes after {last}"
    );
    let next = write(&*b, &names[0], Some(revisions[0]), b"", None).await?;
    ensure!(
        next > last,
        "after the restart, revision {next} comes after {last}"
    );
    // A node that comes now meets the same.
    holds(
        &*bench.claims().await?,
        &names[1],
        revisions[1],
        names[1].as_bytes(),
    )
    .await
}

/// The engine may count the time for which it was away, and may begin it anew.
pub(super) async fn a_time_to_live_outlives_a_restart(bench: &Bench<'_>) -> Checked {
    let (claims, name, ttl) = (bench.claims().await?, bench.name("lease"), bench.timing.ttl);
    write(&*claims, &name, None, b"lease", Some(ttl)).await?;
    bench.restart().await?;
    let restarted = bench.now();
    loop {
        let asked = bench.now();
        let load = || claims.load(&name);
        if bench
            .again("a load after the restart", load)
            .await?
            .is_none()
        {
            return Ok(());
        }
        let patience = ttl + bench.timing.late;
        ensure!(
            asked < restarted + patience,
            "a record with a time to live of {ttl:?} is there {patience:?} after the restart"
        );
        // It waits for the engine's own time to live.
        bench.sleep(ttl / 20).await;
    }
}

/// A write whose outcome a restart hides is there or not, and nothing else.
pub(super) async fn a_write_is_there_or_not_after_a_restart(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.claims().await?, bench.claims().await?);
    let name = bench.name("record");
    let first = write(&*a, &name, None, b"before", None).await?;
    let swap = a.swap(&name, Some(first), b"after".to_vec(), None);
    let swap = bench.within("a write over a restart", swap);
    let (swapped, restarted) = both(swap, bench.restart()).await;
    restarted?;
    let swapped = swapped?;
    let found = bench
        .again("a load after the restart", || b.load(&name))
        .await?;
    let holds = |value: &[u8]| found.as_ref().is_some_and(|found| found.value == value);
    let revision = found.as_ref().map(|found| found.revision);
    let is_before = holds(b"before") && revision == Some(first);
    let is_after = holds(b"after") && revision > Some(first);
    let fits = match &swapped {
        Ok(Swapped::Done(told)) => holds(b"after") && revision == Some(*told),
        Err(EngineError::Unknown(_)) => is_before || is_after,
        Ok(Swapped::Conflict) | Err(_) => false,
    };
    let found = Found(found.as_ref());
    ensure!(fits, "the write is {swapped:?}, and the record {found}");
    Ok(())
}

pub(super) async fn cursors_outlive_a_restart(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.log().await?, bench.log().await?);
    let topic = bench.name("topic");
    let none = a.end(&topic).await?;
    let mut published = publish(&*a, &topic, 0..10).await?;
    bench.restart().await?;
    let end = bench
        .again("an end after the restart", || a.end(&topic))
        .await?;
    ensure!(
        end == published[9].0,
        "the end is {end}, and was {} before the restart",
        published[9].0
    );
    bench
        .again("an end after the restart", || b.end(&topic))
        .await?;
    published.extend(publish(&*a, &topic, 10..15).await?);
    ascends(&published)?;
    bench.reads(&*b, &topic, none, &published).await?;
    for (n, (cursor, _)) in published.iter().enumerate() {
        bench
            .reads(&*b, &topic, *cursor, &published[n + 1..])
            .await?;
    }
    Ok(())
}

/// A reader goes on, or ends with an error and is read anew.
pub(super) async fn a_reader_misses_nothing_over_a_restart(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.log().await?, bench.log().await?);
    let topic = bench.name("topic");
    let mut last = a.end(&topic).await?;
    let mut reader = b.read(&topic, last).await?;
    let mut published = publish(&*a, &topic, 0..5).await?;
    let (mut items, mut ended) = (vec![bench.item(&mut reader).await?], false);
    bench.restart().await?;
    bench
        .again("an end after the restart", || a.end(&topic))
        .await?;
    published.extend(publish(&*a, &topic, 5..10).await?);
    while items.len() < published.len() {
        last = items.last().map_or(last, |(cursor, _)| *cursor);
        match bench
            .within("an item or an error", next(&mut reader))
            .await?
        {
            Some(Ok(LogEvent::Item(cursor, item))) => items.push((cursor, item)),
            Some(Err(EngineError::Unknown(_))) => ended = true,
            None if ended => {}
            event => {
                let why = format!("over a restart, a reader behind {last} has {event:?}");
                return Err(Stop::Failed(why));
            }
        }
        if ended {
            let read = || b.read(&topic, last);
            reader = bench.again("a read after the restart", read).await?;
            ended = false;
        }
    }
    for (item, published) in items.iter().zip(&published) {
        ensure!(
            item == published,
            "{} is read instead of {}",
            Item(item),
            Item(published)
        );
    }
    Ok(())
}

/// A listener goes on, or ends and listens anew. Hints may be lost until then.
pub(super) async fn a_listener_hears_again_after_a_restart(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.hints().await?, bench.hints().await?);
    let inbox = bench.name("inbox");
    let mut listener = b.listen(&inbox).await?;
    bench.restart().await?;
    let hears = async {
        loop {
            let send = || a.send(&inbox, b"hint".to_vec());
            bench.again("a hint after the restart", send).await?;
            // A hint that was lost is not waited for long, but sent again.
            let pause = bench.sleep(bench.timing.patience / 50);
            match until(pause, next(&mut listener)).await {
                Some(Some(hint)) => {
                    ensure!(hint == b"hint", "another hint is heard: {}", Text(&hint));
                    return Ok(());
                }
                Some(None) => {
                    let listen = || b.listen(&inbox);
                    listener = bench.again("a listener after the restart", listen).await?;
                }
                None => {}
            }
        }
    };
    bench.within("a hint after the restart", hears).await?
}
