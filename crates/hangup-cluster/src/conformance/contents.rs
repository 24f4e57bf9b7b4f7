//! Names and values are kept as they are.

use super::bench::{Bench, holds, write};
use super::outcome::{Checked, Found, Stop, ensure};
use crate::engine::{EngineError, MAX_NAME};

pub(super) async fn names_are_kept_apart(bench: &Bench<'_>) -> Checked {
    let (claims, other) = (bench.claims().await?, bench.claims().await?);
    let base = bench.name("n");
    let largest = |last: &str| format!("{base}{:-<1$}{last}", "", MAX_NAME - base.len() - 1);
    let mut names: Vec<_> = [
        "", "a", "A", "aB", "Ab", "a.b", "a.B", "a.b.c", "a-b", "a_b", "a=b", "ab", "a=", "=a",
        "0", "00",
    ]
    .iter()
    .map(|end| format!("{base}{end}"))
    .collect();
    names.extend([largest("x"), largest("y"), largest("X")]);
    let mut written = Vec::new();
    for name in &names {
        let found = claims.load(name).await?;
        ensure!(
            found.is_none(),
            "{name} is {} before it is written",
            Found(found.as_ref())
        );
        written.push(write(&*claims, name, None, name.as_bytes(), None).await?);
    }
    for (name, revision) in names.iter().zip(written) {
        holds(&*other, name, revision, name.as_bytes()).await?;
    }
    Ok(())
}

pub(super) async fn values_are_kept(bench: &Bench<'_>) -> Checked {
    let (claims, other) = (bench.claims().await?, bench.claims().await?);
    let name = bench.name("record");
    let mut last = None;
    for value in values(bench) {
        let revision = write(&*claims, &name, last, &value, None).await?;
        let found = other.load(&name).await?;
        let is_kept = found.is_some_and(|found| found.value == value && found.revision == revision);
        ensure!(is_kept, "a value of {} bytes is another one", value.len());
        last = Some(revision);
    }
    // An empty one is a record.
    let empty = bench.name("empty");
    let revision = write(&*claims, &empty, None, b"", None).await?;
    holds(&*other, &empty, revision, b"").await?;
    write(&*claims, &empty, Some(revision), b"", None).await?;
    Ok(())
}

/// Of every byte, empty, and large.
pub(super) fn values(bench: &Bench<'_>) -> [Vec<u8>; 4] {
    let large = bench.subject.max_size().unwrap_or(1 << 16);
    let bytes = || (0..=u8::MAX).chain((0..=u8::MAX).rev());
    let room = large.min(512);
    [
        bytes().take(room).collect(),
        Vec::new(),
        b"\r\n\0\xff\xfe".iter().copied().take(room).collect(),
        bytes().cycle().take(large).collect(),
    ]
}

pub(super) async fn a_name_that_is_too_large_is_told(bench: &Bench<'_>) -> Checked {
    let node = bench.node().await?;
    let name = "n".repeat(MAX_NAME + 1);
    let told = |answer: Result<(), EngineError>| match answer {
        Err(EngineError::TooLarge { size, limit }) => size == MAX_NAME + 1 && limit == MAX_NAME,
        _ => false,
    };
    if let Some(claims) = &node.claims {
        let loaded = claims.load(&name).await.map(drop);
        ensure!(told(loaded), "load takes a name that is too large");
        let swapped = claims.swap(&name, None, Vec::new(), None).await.map(drop);
        ensure!(told(swapped), "swap takes a name that is too large");
    }
    if let Some(hints) = &node.hints {
        let sent = hints.send(&name, Vec::new()).await;
        ensure!(told(sent), "send takes a name that is too large");
        let listened = hints.listen(&name).await.map(drop);
        ensure!(told(listened), "listen takes a name that is too large");
    }
    if let Some(log) = &node.log {
        let published = log.publish(&name, "1", Vec::new()).await.map(drop);
        ensure!(told(published), "publish takes a name that is too large");
        let end = log.end(&name).await.map(drop);
        ensure!(told(end), "end takes a name that is too large");
    }
    Ok(())
}

pub(super) async fn a_value_that_is_too_large_is_told(bench: &Bench<'_>) -> Checked {
    let unknown = || Stop::Skipped("its largest value is not known".to_owned());
    let largest = bench.subject.max_size().ok_or_else(unknown)?;
    let node = bench.node().await?;
    let value = || vec![0; largest + 1];
    let told = |answer: &Result<(), EngineError>| match answer {
        Err(EngineError::TooLarge { size, limit }) => *size > *limit && *limit >= largest,
        _ => false,
    };
    if let Some(claims) = &node.claims {
        let name = bench.name("record");
        let first = write(&**claims, &name, None, b"first", None).await?;
        let swapped = claims
            .swap(&name, Some(first), value(), None)
            .await
            .map(drop);
        ensure!(
            told(&swapped),
            "swap with a value that is too large is {swapped:?}"
        );
        holds(&**claims, &name, first, b"first").await?;
    }
    if let Some(hints) = &node.hints {
        let sent = hints.send(&bench.name("inbox"), value()).await;
        ensure!(
            told(&sent),
            "send with a hint that is too large is {sent:?}"
        );
    }
    if let Some(log) = &node.log {
        let topic = bench.name("topic");
        let before = log.end(&topic).await?;
        let published = log.publish(&topic, &topic, value()).await.map(drop);
        ensure!(
            told(&published),
            "publish with an item that is too large is {published:?}"
        );
        let end = log.end(&topic).await?;
        ensure!(end == before, "an item that was too large is there");
    }
    Ok(())
}
