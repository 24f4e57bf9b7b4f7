mod steps;
mod faults;
mod hint_faults;
mod plain;

use std::pin::Pin;
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt};

use super::{Link, Memory};
use crate::engine::{Claims, EngineError, LogEvent, Revision, Swapped};

fn memory() -> Memory {
    Memory::builder()
        .numbers_above(0)
        .kept_items(3)
        .remembered_ids(2)
        .max_size(8)
        .build(tokio::runtime::Handle::current())
}

/// Two nodes that have adopted the engine.
async fn nodes(memory: &Memory) -> (Link, Link) {
    let (a, b) = (memory.link(), memory.link());
    a.adopt().await.unwrap();
    b.adopt().await.unwrap();
    (a, b)
}

async fn done(engine: &impl Claims, expected: Option<Revision>, value: &str) -> Revision {
    match engine.swap("k", expected, value.into(), None).await {
        Ok(Swapped::Done(revision)) => revision,
        other => panic!("{other:?}"),
    }
}

/// What the record `k` holds.
async fn value(engine: &impl Claims) -> Option<String> {
    let record = engine.load("k").await.unwrap()?;
    Some(String::from_utf8(record.value).unwrap())
}

fn is_unknown<T>(answer: &Result<T, EngineError>) -> bool {
    matches!(answer, Err(EngineError::Unknown(_)))
}

fn is_forgotten<T>(answer: &Result<T, EngineError>) -> bool {
    matches!(answer, Err(EngineError::Forgotten))
}

/// What a stream has at once.
fn now<T>(stream: &mut Pin<Box<dyn Stream<Item = T> + Send>>) -> Option<Option<T>> {
    stream.next().now_or_never()
}

/// The items that a reader has at once, as texts with their numbers; gaps are empty.
fn items(
    stream: &mut Pin<Box<dyn Stream<Item = Result<LogEvent, EngineError>> + Send>>,
) -> Vec<(u64, String)> {
    let mut items = Vec::new();
    while let Some(Some(event)) = now(stream) {
        items.push(match event.unwrap() {
            LogEvent::Item(cursor, item) => (cursor.number(), String::from_utf8(item).unwrap()),
            LogEvent::Gap(cursor) => (cursor.number(), String::new()),
        });
    }
    items
}

const SECOND: Duration = Duration::from_secs(1);
