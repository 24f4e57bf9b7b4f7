//! An engine that has forgotten everything says so.

use super::bench::{Bench, holds, write};
use super::gaps::has_a_gap;
use super::log::publish;
use super::outcome::{Checked, Found, Stop, Text, ensure};
use super::waiting::next;
use crate::engine::{Claims, EngineError, LogEvent, Revision};

/// The engine has to answer that it has forgotten everything.
async fn is_told<T, F>(bench: &Bench<'_>, what: &str, call: impl FnMut() -> F) -> Checked
where
    F: Future<Output = Result<T, EngineError>>,
{
    let answer = bench.settled(what, call).await?.map(drop);
    ensure!(
        matches!(answer, Err(EngineError::Forgotten)),
        "{what} in another life is {answer:?}"
    );
    Ok(())
}

pub(super) async fn what_is_forgotten_is_told_until_it_is_adopted(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.claims().await?, bench.claims().await?);
    let (kept, new) = (bench.name("record"), bench.name("new"));
    let first = write(&*a, &kept, None, b"", None).await?;
    bench.forget().await?;
    for _ in 0..3 {
        is_told(bench, "load", || a.load(&kept)).await?;
        let swap = |name, expected| a.swap(name, expected, b"lost".to_vec(), None);
        is_told(bench, "swap", || swap(&new, None)).await?;
        is_told(bench, "swap", || swap(&kept, Some(first))).await?;
    }
    bench.again("an adoption", || a.adopt()).await?;
    for name in [&kept, &new] {
        let found = a.load(name).await?;
        ensure!(
            found.is_none(),
            "after everything was forgotten, {} is there",
            Found(found.as_ref())
        );
    }
    let revision = write(&*a, &new, None, b"new", None).await?;
    // Each node adopts for itself.
    is_told(bench, "load", || b.load(&new)).await?;
    is_told(bench, "swap", || b.swap(&kept, None, Vec::new(), None)).await?;
    bench.again("an adoption", || b.adopt()).await?;
    holds(&*b, &new, revision, b"new").await
}

pub(super) async fn revisions_ascend_when_all_is_forgotten(bench: &Bench<'_>) -> Checked {
    let claims = bench.claims().await?;
    let mut last = write_some(bench, &*claims, Revision(0), 0).await?;
    for life in 1..3 {
        bench.forget().await?;
        bench.again("an adoption", || claims.adopt()).await?;
        last = write_some(bench, &*claims, last, life).await?;
    }
    Ok(())
}

/// Writes that come after `last`. It returns the last of them.
async fn write_some(
    bench: &Bench<'_>,
    claims: &dyn Claims,
    mut last: Revision,
    life: usize,
) -> Checked<Revision> {
    for n in 0..50 {
        let name = bench.name(&format!("record-{life}-{n}"));
        let revision = write(claims, &name, None, b"", None).await?;
        ensure!(
            revision > last,
            "in life {life}, revision {revision} comes after {last}"
        );
        last = revision;
    }
    Ok(last)
}

/// The log of an engine whose claims are adopted is told as they are. One alone has gaps.
pub(super) async fn cursors_of_another_life_are_gaps(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.node().await?, bench.node().await?);
    let (log, other) = (a.needs_log()?, b.needs_log()?);
    let topic = bench.name("topic");
    let published = publish(&*log, &topic, 0..5).await?;
    let mut reader = other.read(&topic, published[2].0).await?;
    bench.item(&mut reader).await?;
    bench.item(&mut reader).await?;
    bench.forget().await?;
    if let Some(claims) = &a.claims {
        let id = bench.name("lost");
        is_told(bench, "publish", || log.publish(&topic, &id, Vec::new())).await?;
        is_told(bench, "end", || log.end(&topic)).await?;
        is_told(bench, "start", || log.start(&topic)).await?;
        is_told(bench, "read", || log.read(&topic, published[0].0)).await?;
        bench.again("an adoption", || claims.adopt()).await?;
    }
    let end = bench.again("an end", || log.end(&topic)).await?;
    let before = published[4].0;
    ensure!(
        end.incarnation() != before.incarnation(),
        "the log has lost everything, and is in the incarnation of before: {end}"
    );
    // The numbers may be the same again.
    let again = publish(&*log, &topic, 5..15).await?;
    ensure!(
        again
            .iter()
            .all(|(cursor, _)| cursor.incarnation() == end.incarnation()),
        "a life of the log has two incarnations: {end} and {}",
        again[0].0
    );
    bench.reads(&*log, &topic, end, &again).await?;
    for (old, _) in &published {
        has_a_gap(bench, &*log, &topic, *old, end.incarnation()).await?;
    }
    // The reader of before tells it as well: by an error, or by a gap.
    let event = bench
        .within("an end of the reader", next(&mut reader))
        .await?;
    match event {
        Some(Err(EngineError::Forgotten)) => Ok(()),
        Some(Ok(LogEvent::Gap(to))) if to.incarnation() == end.incarnation() => Ok(()),
        // It is read anew, and is told then.
        Some(Err(EngineError::Unknown(_))) if b.claims.is_some() => {
            is_told(bench, "read", || other.read(&topic, before)).await
        }
        Some(Err(EngineError::Unknown(_))) => {
            has_a_gap(bench, &*other, &topic, before, end.incarnation()).await
        }
        event => Err(Stop::Failed(format!(
            "a reader of another life has {event:?}"
        ))),
    }
}

/// Hints carry no truth, so an engine may pass them on in any life, or tell it.
pub(super) async fn hints_work_again_when_all_is_forgotten(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.node().await?, bench.node().await?);
    let (sender, listens) = (a.needs_hints()?, b.needs_hints()?);
    let inbox = bench.name("inbox");
    bench.forget().await?;
    for node in [&a, &b] {
        if let Some(claims) = &node.claims {
            bench.again("an adoption", || claims.adopt()).await?;
        }
    }
    let mut listener = bench.again("a listener", || listens.listen(&inbox)).await?;
    bench
        .again("a hint", || sender.send(&inbox, b"hint".to_vec()))
        .await?;
    let hint = bench.hint(&mut listener).await?;
    ensure!(hint == b"hint", "another hint is heard: {}", Text(&hint));
    Ok(())
}
