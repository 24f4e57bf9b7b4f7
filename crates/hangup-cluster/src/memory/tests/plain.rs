//! The engine without faults, where the conformance suite does not look.

use std::time::Duration;

use hangup::topic::Cursor;

use super::{SECOND, done, is_forgotten, items, memory, nodes, now, value};
use crate::engine::{Claims, EngineError, Hints, Log, Swapped};
use crate::memory::Memory;

#[test]
fn without_a_runtime_there_is_a_typed_error() {
    assert!(Memory::on_current().is_err());
}

#[tokio::test]
async fn the_numbers_begin_at_the_wall_clock_unless_they_are_fixed() {
    let first = Memory::on_current().unwrap();
    let second = Memory::on_current().unwrap();
    let earlier = done(&first, None, "").await;
    // 2020-01-01.
    assert!(earlier.0 > 1_577_836_800_000_000, "{earlier}");
    assert!(second.end("t").await.unwrap().incarnation() >= earlier.0 - 1);
    assert_eq!(memory().end("t").await.unwrap(), Cursor::new(1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_time_to_live_is_exact() {
    let memory = memory();
    let swapped = memory.swap("k", None, b"v".to_vec(), Some(SECOND)).await;
    assert!(matches!(swapped, Ok(Swapped::Done(_))));
    tokio::time::advance(SECOND - Duration::from_nanos(1)).await;
    assert_eq!(value(&memory).await.as_deref(), Some("v"));
    tokio::time::advance(Duration::from_nanos(1)).await;
    assert_eq!(value(&memory).await, None);
    // The longest that can be said is no end.
    let forever = memory
        .swap("k", None, b"v".to_vec(), Some(Duration::MAX))
        .await;
    assert!(matches!(forever, Ok(Swapped::Done(_))));
    assert_eq!(value(&memory).await.as_deref(), Some("v"));
}

#[tokio::test(start_paused = true)]
async fn what_has_gone_takes_no_space() {
    let memory = memory();
    for n in 0..100 {
        let ttl = Some(SECOND * (1 + n % 2));
        memory
            .swap(&format!("r{n}"), None, Vec::new(), ttl)
            .await
            .unwrap();
    }
    // One is written again without an end, and one with the same end.
    let revision = |record: Option<crate::engine::Record>| record.map(|record| record.revision);
    for (name, ttl) in [("r0", None), ("r2", Some(SECOND))] {
        let expected = revision(memory.load(name).await.unwrap());
        memory.swap(name, expected, Vec::new(), ttl).await.unwrap();
    }
    tokio::time::advance(SECOND).await;
    memory.swap("other", None, Vec::new(), None).await.unwrap();
    // 50 that live for two seconds, the one without an end, and the other.
    assert_eq!(memory.store.with(|state| state.records.len()), 52);
    tokio::time::advance(SECOND).await;
    memory
        .swap("another", None, Vec::new(), None)
        .await
        .unwrap();
    assert_eq!(memory.store.with(|state| state.records.len()), 3);
    assert!(memory.load("r0").await.unwrap().is_some());
}

#[tokio::test]
async fn sizes_have_limits_that_are_told() {
    let memory = memory();
    let nine = || vec![0; 9];
    let answers = [
        memory.swap("k", None, nine(), None).await.map(drop),
        memory.send("i", nine()).await,
        memory.publish("t", "1", nine()).await.map(drop),
    ];
    for answer in answers {
        assert!(matches!(
            answer,
            Err(EngineError::TooLarge { size: 9, limit: 8 })
        ));
    }
    assert_eq!(value(&memory).await, None);
    assert_eq!(memory.end("t").await.unwrap(), Cursor::new(1, 0));
}

#[tokio::test]
async fn a_topic_keeps_the_last_items_and_tells_the_gap() {
    let memory = memory();
    let none = memory.end("t").await.unwrap();
    let mut live = memory.read("t", none).await.unwrap();
    for n in ["1", "2", "3", "4", "5"] {
        memory.publish("t", n, n.into()).await.unwrap();
        memory.publish("other", n, n.into()).await.unwrap();
    }
    // Numbers are counted over all topics: 1, 3, 5, 7, 9.
    let kept = [(5, "3"), (7, "4"), (9, "5")].map(|(number, item)| (number, item.to_owned()));
    let all_kept = [[(3, String::new())].as_slice(), &kept].concat();
    // A reader that is too slow is told as well.
    assert_eq!(items(&mut live), all_kept);
    assert_eq!(items(&mut memory.read("t", none).await.unwrap()), all_kept);
    let start = memory.start("t").await.unwrap();
    assert_eq!(start, Cursor::new(1, 3));
    assert_eq!(items(&mut memory.read("t", start).await.unwrap()), kept);
    // A number of the future, and another life.
    for unknown in [Cursor::new(1, 11), Cursor::new(2, 5)] {
        assert_eq!(
            items(&mut memory.read("t", unknown).await.unwrap()),
            all_kept
        );
    }
}

#[tokio::test]
async fn the_last_ids_are_remembered() {
    let memory = memory();
    let first = memory.publish("t", "a", b"1".to_vec()).await.unwrap();
    assert_eq!(
        memory.publish("t", "a", b"2".to_vec()).await.unwrap(),
        first
    );
    for id in ["b", "c"] {
        memory.publish("t", id, b"3".to_vec()).await.unwrap();
    }
    // Only the last two are.
    let again = memory.publish("t", "a", b"4".to_vec()).await.unwrap();
    assert_eq!(again, Cursor::new(1, 4));
}

#[tokio::test]
async fn a_listener_that_is_dropped_and_a_reader_leave_nothing() {
    let memory = memory();
    let mut listener = memory.listen("i").await.unwrap();
    let end = memory.end("t").await.unwrap();
    let mut reader = memory.read("t", end).await.unwrap();
    assert!(now(&mut listener).is_none() && now(&mut reader).is_none());
    // Each holds the store once, and the reader its link.
    drop((listener, reader));
    assert_eq!(std::sync::Arc::strong_count(&memory.store), 2);
    assert!(
        memory
            .store
            .with(|state| state.wait_no_more(&("t".into(), 2)).is_none())
    );
}

#[tokio::test]
async fn what_is_forgotten_is_told_until_it_is_adopted() {
    let memory = memory();
    let (a, b) = nodes(&memory).await;
    let before = done(&a, None, "v").await;
    let old = a.publish("t", "1", b"old".to_vec()).await.unwrap();
    let mut listener = a.listen("i").await.unwrap();
    let mut reader = a.read("t", old).await.unwrap();
    memory.forget();

    assert!(is_forgotten(&a.load("k").await));
    assert!(is_forgotten(&a.swap("k", None, Vec::new(), None).await));
    assert!(is_forgotten(&a.send("i", Vec::new()).await));
    assert!(is_forgotten(&a.listen("i").await));
    assert!(is_forgotten(&a.publish("t", "2", Vec::new()).await));
    assert!(is_forgotten(&a.end("t").await));
    assert!(is_forgotten(&a.start("t").await));
    assert!(is_forgotten(&a.read("t", old).await));
    assert!(matches!(now(&mut listener), Some(None)));
    assert!(is_forgotten(&now(&mut reader).unwrap().unwrap()));
    assert!(matches!(now(&mut reader), Some(None)));

    a.adopt().await.unwrap();
    assert_eq!(value(&a).await, None);
    assert!(done(&a, None, "v").await > before);
    let new = a.publish("t", "1", b"new".to_vec()).await.unwrap();
    assert_ne!(new.incarnation(), old.incarnation());
    let gap_and_item = [(0, String::new()), (1, "new".to_owned())];
    assert_eq!(items(&mut a.read("t", old).await.unwrap()), gap_and_item);
    // Each node adopts for itself.
    assert!(is_forgotten(&b.load("k").await));
}
