//! Every item is read once and in order, from every place on.

use hangup::topic::Cursor;

use super::bench::Bench;
use super::contents::values;
use super::outcome::{Checked, Item, Stop, Text, ensure};
use super::waiting::both;
use crate::engine::Log;

/// Publishes the items with these numbers, and returns them with their cursors.
pub(super) async fn publish(
    log: &dyn Log,
    topic: &str,
    numbers: impl IntoIterator<Item = usize>,
) -> Checked<Vec<(Cursor, Vec<u8>)>> {
    let mut published = Vec::new();
    for number in numbers {
        let item = text(topic, number);
        let id = format!("{topic}-{number}");
        let cursor = log.publish(topic, &id, item.clone()).await?;
        published.push((cursor, item));
    }
    Ok(published)
}

/// The item with this number.
fn text(topic: &str, number: usize) -> Vec<u8> {
    format!("{number} of {topic}").into_bytes()
}

pub(super) fn ascends(published: &[(Cursor, Vec<u8>)]) -> Checked {
    for pair in published.windows(2) {
        let ((before, _), (after, _)) = (&pair[0], &pair[1]);
        ensure!(
            before.incarnation() == after.incarnation() && before.number() < after.number(),
            "{after} comes after {before}"
        );
    }
    Ok(())
}

pub(super) async fn items_are_read_in_their_order(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.log().await?, bench.log().await?);
    let topic = bench.name("topic");
    let none = a.end(&topic).await?;
    let mut published = Vec::new();
    for n in 0..60 {
        let log = if n % 2 == 0 { &a } else { &b };
        published.extend(publish(&**log, &topic, [n]).await?);
    }
    ensure!(
        none.incarnation() == published[0].0.incarnation()
            && none.number() < published[0].0.number(),
        "the end before any item is {none}, and the first item has {}",
        published[0].0
    );
    ascends(&published)?;
    bench.reads(&*a, &topic, none, &published).await?;
    bench.reads(&*b, &topic, none, &published).await
}

pub(super) async fn reading_begins_behind_any_cursor(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.log().await?, bench.log().await?);
    let topic = bench.name("topic");
    let mut published = publish(&*a, &topic, 0..20).await?;
    let end = published[19].0;
    let mut live = b.read(&topic, end).await?;
    published.extend(publish(&*a, &topic, [20]).await?);
    let first = bench.item(&mut live).await?;
    ensure!(
        first == published[20],
        "behind the end, {} is read",
        Item(&first)
    );
    for (n, (cursor, _)) in published.iter().enumerate() {
        bench
            .reads(&*b, &topic, *cursor, &published[n + 1..])
            .await?;
    }
    Ok(())
}

pub(super) async fn the_ends_of_a_topic_are_told(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.log().await?, bench.log().await?);
    let topic = bench.name("topic");
    let (start, end) = (a.start(&topic).await?, a.end(&topic).await?);
    // Others publish: it is still the place before the first item.
    publish(&*b, &bench.name("other"), 0..3).await?;
    let published = publish(&*b, &topic, 0..5).await?;
    for cursor in [start, end, a.start(&topic).await?] {
        bench.reads(&*a, &topic, cursor, &published).await?;
    }
    let end = a.end(&topic).await?;
    ensure!(
        end == published[4].0,
        "the end is {end}, and the last item has {}",
        published[4].0
    );
    publish(&*b, &bench.name("other"), 3..6).await?;
    let mut live = a.read(&topic, a.end(&topic).await?).await?;
    let last = publish(&*b, &topic, [5]).await?;
    let item = bench.item(&mut live).await?;
    ensure!(item == last[0], "behind the end, {} is read", Item(&item));
    Ok(())
}

/// Each reader begins with a backlog of another length while more is published.
pub(super) async fn no_item_is_lost_at_the_seam(bench: &Bench<'_>) -> Checked {
    const MORE: usize = 40;
    let (a, b) = (bench.log().await?, bench.log().await?);
    for round in 0..20 {
        let topic = bench.name(&format!("topic-{round}"));
        let none = b.start(&topic).await?;
        let backlog = publish(&*a, &topic, 0..round).await?;
        let read = async {
            let mut reader = b.read(&topic, none).await?;
            let mut items = Vec::new();
            for number in 0..round + MORE {
                let (cursor, item) = bench.item(&mut reader).await?;
                let expected = text(&topic, number);
                ensure!(
                    item == expected,
                    "with a backlog of {round}, {} is read instead of {}",
                    Text(&item),
                    Text(&expected)
                );
                items.push((cursor, item));
            }
            Ok::<_, Stop>(items)
        };
        let more = publish(&*a, &topic, round..round + MORE);
        let (more, items) = both(more, read).await;
        let (published, items) = ([backlog, more?].concat(), items?);
        for (item, published) in items.iter().zip(&published) {
            ensure!(
                item == published,
                "{} is read instead of {}",
                Item(item),
                Item(published)
            );
        }
    }
    Ok(())
}

pub(super) async fn two_readers_read_the_same(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.log().await?, bench.log().await?);
    let topic = bench.name("topic");
    let none = a.end(&topic).await?;
    let mut readers = [
        a.read(&topic, none).await?,
        a.read(&topic, none).await?,
        b.read(&topic, none).await?,
    ];
    let published = publish(&*a, &topic, 0..30).await?;
    for reader in &mut readers {
        for published in &published {
            let item = bench.item(reader).await?;
            ensure!(
                item == *published,
                "{} is read instead of {}",
                Item(&item),
                Item(published)
            );
        }
    }
    // One that has gone takes nothing from the others.
    let [gone, mut stays, mut other] = readers;
    drop(gone);
    let last = publish(&*b, &topic, [30]).await?;
    for reader in [&mut stays, &mut other] {
        let item = bench.item(reader).await?;
        ensure!(
            item == last[0],
            "{} is read instead of {}",
            Item(&item),
            Item(&last[0])
        );
    }
    Ok(())
}

pub(super) async fn topics_are_kept_apart(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.log().await?, bench.log().await?);
    let base = bench.name("t");
    let topics = ["", "a", "A", "ab", "a-", "a_", "a="].map(|end| format!("{base}{end}"));
    let mut published = vec![Vec::new(); topics.len()];
    let mut starts = Vec::new();
    for topic in &topics {
        starts.push(a.end(topic).await?);
    }
    for n in 0..5 {
        for (topic, published) in topics.iter().zip(&mut published) {
            published.extend(publish(&*a, topic, [n]).await?);
        }
    }
    for ((topic, published), start) in topics.iter().zip(&published).zip(starts) {
        bench.reads(&*b, topic, start, published).await?;
    }
    Ok(())
}

pub(super) async fn items_are_kept_as_they_are(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.log().await?, bench.log().await?);
    let topic = bench.name("topic");
    let none = a.end(&topic).await?;
    let mut reader = b.read(&topic, none).await?;
    for (n, value) in values(bench).into_iter().enumerate() {
        let cursor = a
            .publish(&topic, &format!("{topic}-{n}"), value.clone())
            .await?;
        let is_kept = bench.item(&mut reader).await? == (cursor, value.clone());
        ensure!(is_kept, "an item of {} bytes is another one", value.len());
    }
    Ok(())
}

pub(super) async fn an_id_is_published_once(bench: &Bench<'_>) -> Checked {
    if !bench.subject.remembers_ids() {
        return Err(Stop::Skipped("it does not remember ids".to_owned()));
    }
    let (a, b) = (bench.log().await?, bench.log().await?);
    let (topic, id) = (bench.name("topic"), |id: &str| bench.name(id));
    let none = a.end(&topic).await?;
    let first = a.publish(&topic, &id("x"), b"first".to_vec()).await?;
    let second = a.publish(&topic, &id("y"), b"second".to_vec()).await?;
    for (log, named, cursor) in [(&a, "x", first), (&b, "x", first), (&b, "y", second)] {
        let again = log.publish(&topic, &id(named), b"again".to_vec()).await?;
        ensure!(again == cursor, "published again, {cursor} is {again}");
    }
    // The same bytes under another id are another item.
    let third = b.publish(&topic, &id("X"), b"second".to_vec()).await?;
    let expected = [(first, "first"), (second, "second"), (third, "second")];
    let expected = expected.map(|(cursor, item)| (cursor, item.as_bytes().to_vec()));
    ascends(&expected)?;
    bench.reads(&*a, &topic, none, &expected).await
}
