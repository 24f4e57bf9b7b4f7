//! A reader is told what it misses.

use hangup::topic::Cursor;

use super::bench::Bench;
use super::log::publish;
use super::outcome::{Checked, Item, Stop, ensure};
use crate::engine::{Log, LogEvent};

/// Reads behind a cursor that is no place of this log: first there is a gap, then what is there
/// behind it, and what is published then.
pub(super) async fn has_a_gap(
    bench: &Bench<'_>,
    log: &dyn Log,
    topic: &str,
    unknown: Cursor,
    incarnation: u64,
) -> Checked {
    let mut reader = log.read(topic, unknown).await?;
    // A log without an item has nothing to say before the first one.
    let mark = bench.name(&format!("mark-{unknown}"));
    let marked = log.publish(topic, &mark, mark.clone().into_bytes()).await?;
    let mut last = match bench.event(&mut reader).await? {
        LogEvent::Gap(to) => to,
        LogEvent::Item(cursor, _) => {
            let why = format!("behind {unknown}, {cursor} is read without a gap");
            return Err(Stop::Failed(why));
        }
    };
    ensure!(
        last.incarnation() == incarnation,
        "the gap leads to {last}, of another incarnation than {incarnation:x}"
    );
    while last != marked {
        let (cursor, _) = bench.item(&mut reader).await?;
        ensure!(
            cursor.incarnation() == incarnation && cursor.number() > last.number(),
            "{cursor} comes after {last}"
        );
        last = cursor;
    }
    Ok(())
}

pub(super) async fn a_number_of_the_future_is_a_gap(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.log().await?, bench.log().await?);
    let topic = bench.name("topic");
    let published = publish(&*a, &topic, 0..5).await?;
    let end = published[4].0;
    for number in [end.number() + 1_000_000, u64::MAX] {
        let future = Cursor::new(end.incarnation(), number);
        has_a_gap(bench, &*b, &topic, future, end.incarnation()).await?;
    }
    Ok(())
}

pub(super) async fn another_incarnation_is_a_gap(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.log().await?, bench.log().await?);
    let topic = bench.name("topic");
    let published = publish(&*a, &topic, 0..5).await?;
    let (place, end) = (published[2].0, published[4].0);
    let incarnation = end.incarnation();
    for other in [incarnation ^ 1, 0, u64::MAX] {
        for number in [0, place.number(), end.number(), u64::MAX] {
            let unknown = Cursor::new(other, number);
            has_a_gap(bench, &*b, &topic, unknown, incarnation).await?;
        }
    }
    Ok(())
}

pub(super) async fn what_is_not_kept_is_a_gap(bench: &Bench<'_>) -> Checked {
    let unknown = || Stop::Skipped("how many items it keeps is not known".to_owned());
    let kept = bench.subject.kept_items().ok_or_else(unknown)?;
    let (a, b) = (bench.log().await?, bench.log().await?);
    let topic = bench.name("topic");
    let none = a.end(&topic).await?;
    let published = publish(&*a, &topic, 0..2 * kept + 2).await?;
    let start = b.start(&topic).await?;
    let first = published
        .iter()
        .position(|(cursor, _)| cursor.number() > start.number())
        .ok_or_else(|| Stop::Failed(format!("a topic that keeps {kept} items has none")))?;
    ensure!(first > 0, "nothing is trimmed of {} items", published.len());
    ensure!(
        published.len() - first >= kept,
        "{} items are there instead of {kept}",
        published.len() - first
    );
    // From the start on there is no gap.
    bench.reads(&*b, &topic, start, &published[first..]).await?;
    let trimmed = published[..first - 1].iter().map(|(cursor, _)| *cursor);
    for after in std::iter::once(none).chain(trimmed) {
        let mut reader = b.read(&topic, after).await?;
        let to = match bench.event(&mut reader).await? {
            LogEvent::Gap(to) => to,
            LogEvent::Item(cursor, item) => {
                let item = (cursor, item);
                let why = format!(
                    "behind {after}, {} is read, and items before it are not",
                    Item(&item)
                );
                return Err(Stop::Failed(why));
            }
        };
        // There may be several numbers between two items.
        let (missing, next) = (published[first - 1].0, published[first].0);
        ensure!(
            to.incarnation() == next.incarnation()
                && (missing.number()..next.number()).contains(&to.number()),
            "the gap behind {after} leads to {to}, and the oldest item has {next}"
        );
        let item = bench.item(&mut reader).await?;
        ensure!(
            item == published[first],
            "behind the gap, {} is read instead of {}",
            Item(&item),
            Item(&published[first])
        );
    }
    // Where all that follows is there, there is none: also behind the last that is not.
    for n in first - 1..published.len() {
        bench
            .reads(&*b, &topic, published[n].0, &published[n + 1..])
            .await?;
    }
    Ok(())
}
