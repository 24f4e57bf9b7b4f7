//! The engine without faults, where the conformance suite does not look.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::executor::block_on;
use hangup::runtime::{BoxFuture, Runtime};
use hangup::topic::Cursor;

use super::steps::CountingWaker;
use super::{SECOND, done, is_forgotten, items, memory, nodes, now, value};
use crate::engine::{Claims, EngineError, Hints, Log, LogEvent, Swapped};
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

#[tokio::test(start_paused = true)]
async fn items_go_when_their_time_has_passed_whichever_topic_is_published_to() {
    let memory = Memory::builder()
        .numbers_above(0)
        .kept_items(2)
        .kept_for(10 * SECOND)
        .build(tokio::runtime::Handle::current());
    let none = memory.end("t").await.unwrap();
    let publish = async |topic, id: &str| memory.publish(topic, id, id.into()).await.unwrap();
    // The first is trimmed by its number: the time of the second counts.
    publish("t", "1").await;
    tokio::time::advance(SECOND).await;
    publish("t", "2").await;
    tokio::time::advance(SECOND).await;
    let third = publish("t", "3").await;
    let read = async || items(&mut memory.read("t", none).await.unwrap());
    let item = |number: u64| (number, number.to_string());
    let gap = |number: u64| (number, String::new());

    tokio::time::advance(9 * SECOND - Duration::from_nanos(1)).await;
    publish("other", "4").await;
    assert_eq!(read().await, [gap(1), item(2), item(3)]);
    tokio::time::advance(Duration::from_nanos(1)).await;
    publish("other", "5").await;
    assert_eq!(read().await, [gap(2), item(3)]);
    // Its id is remembered as long as there is an item.
    assert_eq!(publish("t", "2").await, Cursor::new(1, 2));
    tokio::time::advance(SECOND).await;
    publish("other", "6").await;
    assert_eq!(memory.end("t").await.unwrap(), third);
    assert_eq!(memory.start("t").await.unwrap(), third);
    assert_eq!(publish("t", "2").await, Cursor::new(1, 7));
    assert_eq!(read().await, [gap(3), (7, "2".to_owned())]);
    assert_eq!(items(&mut memory.read("t", third).await.unwrap()).len(), 1);
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
    assert_eq!(Arc::strong_count(&memory.store), 2);
    // Nor is there a waker of either.
    let (of_listener, of_reader) = memory.store.with(|state| {
        let of_listener = state.inboxes.leave(&("i".to_owned(), 1));
        (of_listener, state.wait_no_more(&("t".to_owned(), 2)))
    });
    assert!(of_listener.is_none() && of_reader.is_none());
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

/// A clock that a test sets, and no tasks.
struct Clock(Mutex<Instant>);

impl Runtime for Clock {
    fn spawn(&self, _: BoxFuture<()>) {}

    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<()> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn what_has_gone_does_not_come_back_when_a_thread_has_an_older_time() {
    let start = Instant::now();
    let clock = Arc::new(Clock(Mutex::new(start)));
    let memory = Memory::new(Arc::clone(&clock));
    let swapped = memory.swap("k", None, b"v".to_vec(), Some(SECOND));
    assert!(matches!(block_on(swapped), Ok(Swapped::Done(_))));
    for (since_start, is_there) in [(0, true), (1, false), (0, false)] {
        *clock.0.lock().unwrap() = start + SECOND * since_start;
        assert_eq!(block_on(value(&memory)).is_some(), is_there);
    }
}

#[test]
fn threads_lose_no_write_and_miss_no_item() {
    const EACH: usize = 500;
    let start = Instant::now();
    let memory = Memory::new(Clock(Mutex::new(start)));
    let end = block_on(memory.end("t")).unwrap();
    let thread = |letter: &'static str| {
        let node = memory.link();
        thread::spawn(move || {
            for n in 0..EACH {
                block_on(node.publish("t", &format!("{letter}{n}"), letter.into())).unwrap();
                loop {
                    let record = block_on(node.load("k")).unwrap();
                    let expected = record.as_ref().map(|record| record.revision);
                    let value = record.map_or(1, |record| record.value.len() + 1);
                    let swapped = node.swap("k", expected, vec![0; value], None);
                    if let Swapped::Done(_) = block_on(swapped).unwrap() {
                        break;
                    }
                }
            }
        })
    };
    let threads = ["a", "b", "c"].map(thread);
    let mut reader = block_on(memory.read("t", end)).unwrap();
    for n in 0..3 * EACH {
        let event = block_on(reader.next()).unwrap().unwrap();
        let number = u64::try_from(n).unwrap() + 1;
        let cursor = Cursor::new(end.incarnation(), number);
        assert!(
            matches!(event, LogEvent::Item(at, _) if at == cursor),
            "{event:?}"
        );
    }
    for thread in threads {
        thread.join().unwrap();
    }
    let record = block_on(memory.load("k")).unwrap().unwrap();
    assert_eq!(record.value.len(), 3 * EACH);
}

/// Panics where it is woken, and where it is dropped it uses the engine.
struct Rude(Memory);

impl Wake for Rude {
    fn wake(self: Arc<Self>) {
        panic!("of the test");
    }
}

impl Drop for Rude {
    fn drop(&mut self) {
        assert!(!format!("{:?}", self.0).is_empty());
    }
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_being_woken() {
    let memory = Memory::new(Clock(Mutex::new(Instant::now())));
    let end = block_on(memory.end("t")).unwrap();
    let read = || block_on(memory.read("t", end)).unwrap();
    let mut readers = [read(), read(), read()];
    let (first, second) = (
        Waker::from(Arc::new(Rude(memory.clone()))),
        CountingWaker::new(),
    );
    // A waker that is exchanged is dropped where no lock is held.
    let replaced = Waker::from(Arc::new(Rude(memory.clone())));
    let polled = readers[0].poll_next_unpin(&mut Context::from_waker(&replaced));
    assert!(polled.is_pending());
    drop(replaced);
    for (reader, waker) in readers
        .iter_mut()
        .zip([&first, &second.waker, &second.waker])
    {
        assert!(
            reader
                .poll_next_unpin(&mut Context::from_waker(waker))
                .is_pending()
        );
    }
    drop(first);
    let publishing = || block_on(memory.publish("t", "1", b"p".to_vec()));
    assert!(catch_unwind(AssertUnwindSafe(publishing)).is_err());
    assert_eq!(second.count.load(Ordering::Relaxed), 2);
    for reader in &mut readers {
        assert_eq!(items(reader).len(), 1);
    }
}
