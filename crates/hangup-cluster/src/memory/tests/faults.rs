//! What a test does to the calls of one node, and to the engine.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use tokio::time::{Instant, advance};

use super::steps::CountingWaker;
use super::{SECOND, done, is_forgotten, is_unknown, items, memory, nodes, now, value};
use crate::engine::{Claims, EngineError, Hints, Log, Record, Revision, Swapped};
use crate::memory::{Call, Fate, Link, Memory, Method};

/// The answer of `call`, and how long it took: the paused clock moves when all wait.
async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let answer = call.await;
    (answer, start.elapsed())
}

/// Lets what is due at this instant run.
async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_call_is_told_to_the_fault() {
    let memory = memory();
    let (a, b) = nodes(&memory).await;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    a.fates(move |call| {
        seen.lock().unwrap().push(call.clone());
        Fate::Answer
    });
    assert_eq!(a.calls(), 1);
    let end = a.end("t").await.unwrap();
    drop(a.load("k").await);
    drop(a.swap("k", None, Vec::new(), None).await);
    drop(a.send("i", Vec::new()).await);
    drop(a.listen("i").await);
    drop(a.publish("t", "1", Vec::new()).await);
    drop(a.start("t").await);
    drop(a.read("t", end).await);
    a.adopt().await.unwrap();
    // A clone is the same node, and another node is none of its business.
    drop(a.clone().load("x.y").await);
    drop(b.load("k").await);

    let seen: Vec<(u64, Method, String, bool)> = calls
        .lock()
        .unwrap()
        .iter()
        .map(|call: &Call| (call.number, call.method, call.name.clone(), call.is_write()))
        .collect();
    let expected = [
        (2, Method::End, "t", false),
        (3, Method::Load, "k", false),
        (4, Method::Swap, "k", true),
        (5, Method::Send, "i", false),
        (6, Method::Listen, "i", false),
        (7, Method::Publish, "t", true),
        (8, Method::Start, "t", false),
        (9, Method::Read, "t", false),
        (10, Method::Adopt, "", false),
        (11, Method::Load, "x.y", false),
    ];
    assert_eq!(
        seen,
        expected.map(|(n, m, name, w)| (n, m, name.to_owned(), w))
    );
    assert_eq!(a.calls(), 11);
}

#[tokio::test]
async fn one_call_has_its_fate_once() {
    let memory = memory();
    let (a, _b) = nodes(&memory).await;
    a.fates(|_| Fate::Lose { applied: false });
    a.fate_of(3, Fate::Answer);
    assert!(is_unknown(&a.load("k").await));
    assert!(a.load("k").await.is_ok());
    assert!(is_unknown(&a.load("k").await));
    a.behave();
    assert!(a.load("k").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lost_call_is_applied_or_not() {
    for applied in [false, true] {
        let memory = memory();
        let (a, b) = nodes(&memory).await;
        a.fate_of(2, Fate::Lose { applied });
        let (answer, took) = timed(a.swap("k", None, b"v".to_vec(), None)).await;
        assert!(is_unknown(&answer));
        assert_eq!(took, Duration::ZERO);
        assert_eq!(value(&b).await.is_some(), applied);
    }
}

#[tokio::test(start_paused = true)]
async fn an_adoption_without_an_answer_is_none() {
    let memory = memory();
    let (a, _b) = nodes(&memory).await;
    memory.forget();
    a.fate_of(2, Fate::Lose { applied: true });
    assert!(is_unknown(&a.adopt().await));
    assert!(is_forgotten(&a.load("k").await));
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_before_or_behind_the_effect() {
    for (fate, seen_half_way) in [
        (Fate::Delay(SECOND), false),
        (Fate::DelayAnswer(SECOND), true),
    ] {
        let memory = memory();
        let (a, b) = nodes(&memory).await;
        a.fate_of(2, fate);
        let mut swap = Box::pin(timed(a.swap("k", None, b"v".to_vec(), None)));
        assert!(futures::poll!(&mut swap).is_pending());
        advance(SECOND / 2).await;
        assert_eq!(value(&b).await.is_some(), seen_half_way);
        let (answer, took) = swap.await;
        assert!(matches!(answer, Ok(Swapped::Done(_))));
        assert_eq!(took, SECOND);
        assert!(value(&b).await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_beyond_the_bound_is_unknown_in_time() {
    for (fate, seen_at_the_bound) in [
        (Fate::Delay(6 * SECOND), false),
        (Fate::DelayAnswer(6 * SECOND), true),
        (Fate::DelayAnswer(Duration::MAX), true),
    ] {
        let memory = memory();
        let (a, b) = nodes(&memory).await;
        a.fate_of(2, fate);
        let (answer, took) = timed(a.swap("k", None, b"v".to_vec(), None)).await;
        assert!(is_unknown(&answer));
        assert_eq!(took, 5 * SECOND);
        assert_eq!(value(&b).await.is_some(), seen_at_the_bound);
        advance(SECOND).await;
        settle().await;
        assert!(value(&b).await.is_some(), "it took effect in the end");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ghost_lands_later_and_minds_the_revision() {
    let memory = memory();
    let (a, b) = nodes(&memory).await;
    let first = done(&a, None, "1").await;
    a.fate_of(3, Fate::Late(SECOND));
    let (answer, took) = timed(a.swap("k", Some(first), b"ghost".to_vec(), None)).await;
    assert!(is_unknown(&answer));
    assert_eq!(took, Duration::ZERO);
    // On its way already, and a cut does not hold it up.
    a.cut();
    advance(SECOND - Duration::from_millis(1)).await;
    settle().await;
    assert_eq!(value(&b).await.as_deref(), Some("1"));
    advance(Duration::from_millis(1)).await;
    settle().await;
    assert_eq!(value(&b).await.as_deref(), Some("ghost"));

    a.heal();
    let second = b.load("k").await.unwrap().unwrap().revision;
    a.fate_of(4, Fate::Late(SECOND));
    drop(a.swap("k", Some(second), b"ghost 2".to_vec(), None).await);
    done(&b, Some(second), "b").await;
    advance(SECOND).await;
    settle().await;
    assert_eq!(value(&b).await.as_deref(), Some("b"));
}

#[tokio::test(start_paused = true)]
async fn a_ghost_of_another_life_does_nothing() {
    let memory = memory();
    let (a, b) = nodes(&memory).await;
    a.fate_of(2, Fate::Late(SECOND));
    drop(a.swap("k", None, b"ghost".to_vec(), None).await);
    memory.forget();
    b.adopt().await.unwrap();
    advance(SECOND).await;
    settle().await;
    assert_eq!(value(&b).await, None);
}

#[tokio::test(start_paused = true)]
async fn every_other_method_may_be_late_too() {
    // The streams of late answers are dropped where no lock is held.
    let memory = memory();
    let (a, b) = nodes(&memory).await;
    let mut listener = b.listen("i").await.unwrap();
    let end = a.end("t").await.unwrap();
    a.fates(|_| Fate::Late(SECOND));
    assert!(is_unknown(&a.listen("i").await));
    assert!(is_unknown(&a.read("t", end).await));
    assert!(is_unknown(&a.send("i", b"h".to_vec()).await));
    assert!(is_unknown(&a.publish("t", "1", b"p".to_vec()).await));
    advance(SECOND).await;
    settle().await;
    assert_eq!(now(&mut listener), Some(Some(b"h".to_vec())));
    let mut reader = b.read("t", end).await.unwrap();
    assert_eq!(items(&mut reader), [(1, "p".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_stale_load_is_one_change_behind() {
    let memory = memory();
    let (a, b) = nodes(&memory).await;
    let stale = async || {
        a.fate_of(a.calls() + 1, Fate::Stale);
        value(&a).await
    };
    assert_eq!(stale().await, None);
    let first = done(&b, None, "1").await;
    assert_eq!(stale().await, None);
    let second = done(&b, Some(first), "2").await;
    assert_eq!(stale().await.as_deref(), Some("1"));
    let third = b.swap("k", Some(second), b"3".to_vec(), Some(SECOND)).await;
    assert!(matches!(third, Ok(Swapped::Done(_))));
    assert_eq!(stale().await.as_deref(), Some("2"));
    // Its end is the last change.
    advance(SECOND).await;
    assert_eq!(value(&a).await, None);
    assert_eq!(stale().await.as_deref(), Some("3"));
    done(&b, None, "4").await;
    assert_eq!(stale().await, None);
    // A write is never decided by it.
    a.fate_of(a.calls() + 1, Fate::Stale);
    assert!(matches!(
        a.swap("k", None, Vec::new(), None).await,
        Ok(Swapped::Conflict)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_cut_node_gets_no_answer_and_does_nothing() {
    let memory = memory();
    let (a, b) = nodes(&memory).await;
    let end = a.end("t").await.unwrap();
    let mut reader = a.read("t", end).await.unwrap();
    let mut reader_of_b = b.read("t", end).await.unwrap();
    let waits = tokio::spawn(async move { (reader.next().await, reader) });
    settle().await;
    a.cut();
    let (answer, took) = timed(a.swap("k", None, b"v".to_vec(), None)).await;
    assert!(is_unknown(&answer));
    assert_eq!(took, 5 * SECOND);
    assert_eq!(value(&b).await, None);
    let (event, mut reader) = waits.await.unwrap();
    assert!(is_unknown(&event.unwrap()));
    assert!(matches!(now(&mut reader), Some(None)));

    a.heal();
    assert!(a.load("k").await.is_ok());
    b.publish("t", "1", b"p".to_vec()).await.unwrap();
    assert_eq!(items(&mut reader_of_b), [(1, "p".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_cut_and_a_heal_between_two_polls_end_a_reader() {
    let memory = memory();
    let (a, _b) = nodes(&memory).await;
    let end = a.end("t").await.unwrap();
    let mut reader = a.read("t", end).await.unwrap();
    assert!(now(&mut reader).is_none());
    a.cut();
    a.heal();
    assert!(is_unknown(&now(&mut reader).unwrap().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_cut_reaches_calls_on_their_way() {
    let memory = memory();
    let (a, b) = nodes(&memory).await;
    a.step_by_step(true);
    // Before the effect, and between the effect and the answer.
    for (polls, applied) in [(1, false), (2, true)] {
        let mut swap = a.swap("k", None, b"v".to_vec(), None);
        for _ in 0..polls {
            assert!(futures::poll!(&mut swap).is_pending());
        }
        a.cut();
        let (answer, took) = timed(swap).await;
        assert!(is_unknown(&answer));
        assert_eq!(took, 5 * SECOND);
        assert_eq!(value(&b).await.is_some(), applied);
        a.heal();
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_loses_nothing_and_ends_the_streams() {
    let memory = memory();
    let (a, b) = nodes(&memory).await;
    let first = done(&a, None, "v").await;
    let cursor = a.publish("t", "1", b"p".to_vec()).await.unwrap();
    let mut listener = b.listen("i").await.unwrap();
    let mut reader = b.read("t", cursor).await.unwrap();
    a.step_by_step(true);
    let mut before = a.swap("other", None, b"w".to_vec(), None);
    let mut behind = a.swap("k", Some(first), b"w".to_vec(), None);
    assert!(futures::poll!(&mut before).is_pending());
    assert!(futures::poll!(&mut behind).is_pending());
    assert!(futures::poll!(&mut behind).is_pending());
    memory.restart();

    assert!(is_unknown(&before.await) && is_unknown(&behind.await));
    assert_eq!(b.load("other").await.unwrap(), None);
    assert!(matches!(now(&mut listener), Some(None)));
    assert!(is_unknown(&now(&mut reader).unwrap().unwrap()));
    assert!(matches!(now(&mut reader), Some(None)));
    assert_eq!(value(&b).await.as_deref(), Some("w"));
    assert!(b.load("k").await.unwrap().unwrap().revision > first);
    b.publish("t", "2", b"q".to_vec()).await.unwrap();
    let mut reader = b.read("t", cursor).await.unwrap();
    assert_eq!(items(&mut reader), [(2, "q".to_owned())]);
}

#[tokio::test]
async fn what_ends_a_stream_wakes_it() {
    let ends: [fn(&Memory, &Link); 3] = [
        |memory, _| memory.restart(),
        |memory, _| memory.forget(),
        |_, link| link.cut(),
    ];
    for (n, end) in ends.into_iter().enumerate() {
        let memory = memory();
        let (a, _b) = nodes(&memory).await;
        let place = a.end("t").await.unwrap();
        let mut reader = a.read("t", place).await.unwrap();
        let mut listener = a.listen("i").await.unwrap();
        let (of_reader, of_listener) = (CountingWaker::new(), CountingWaker::new());
        let polled = reader.poll_next_unpin(&mut of_reader.context());
        assert!(polled.is_pending());
        let polled = listener.poll_next_unpin(&mut of_listener.context());
        assert!(polled.is_pending());
        end(&memory, &a);
        assert_eq!(of_reader.count.load(Ordering::Relaxed), 1);
        // A listener outlives a cut.
        let ends_listener = u32::from(n < 2);
        assert_eq!(of_listener.count.load(Ordering::Relaxed), ends_listener);
    }
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_is_forgotten_before_its_answer_is_unknown() {
    let memory = memory();
    let (a, _b) = nodes(&memory).await;
    a.step_by_step(true);
    for (polls, is_told) in [(1, true), (2, false)] {
        let mut swap = a.swap("k", None, b"v".to_vec(), None);
        for _ in 0..polls {
            assert!(futures::poll!(&mut swap).is_pending());
        }
        memory.forget();
        let answer = swap.await;
        assert_eq!(is_forgotten(&answer), is_told, "{answer:?}");
        assert!(answer.is_err());
        a.adopt().await.unwrap();
    }
}

#[tokio::test]
async fn a_fault_may_use_its_link_and_is_dropped_without_a_lock() {
    /// Uses the link where it is dropped.
    struct Uses(Link);
    impl Drop for Uses {
        fn drop(&mut self) {
            self.0.fate_of(1_000, Fate::Answer);
            self.0.heal();
        }
    }
    let memory = memory();
    let (a, b) = nodes(&memory).await;
    let asked = Arc::new(AtomicU32::new(0));
    let (uses, count) = (Uses(a.clone()), Arc::clone(&asked));
    a.fates(move |_| {
        uses.0.fate_of(uses.0.calls(), Fate::Answer);
        uses.0.heal();
        count.fetch_add(1, Ordering::Relaxed);
        Fate::Answer
    });
    done(&a, None, "v").await;
    a.behave();
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert_eq!(value(&b).await.as_deref(), Some("v"));
}

#[tokio::test]
async fn a_panic_of_a_fault_harms_nothing_else() {
    let memory = memory();
    let (a, b) = nodes(&memory).await;
    let other = a.clone();
    a.fates(|_| panic!("of the test"));
    let panicked = tokio::spawn(async move { other.load("k").await }).await;
    assert!(panicked.unwrap_err().is_panic());
    a.behave();
    done(&a, None, "v").await;
    assert_eq!(value(&b).await.as_deref(), Some("v"));
}

/// What a run with faults leaves, as the numbers and values of all that is seen.
async fn run() -> Vec<Result<Option<Record>, String>> {
    let memory: Memory = memory();
    let (a, b) = nodes(&memory).await;
    a.fates(|call| match call.number % 5 {
        0 => Fate::Lose { applied: true },
        1 => Fate::Late(SECOND),
        2 => Fate::Stale,
        _ => Fate::Answer,
    });
    let mut seen = Vec::new();
    for n in 0..40_u8 {
        let node = if n % 3 == 0 { &b } else { &a };
        let text = |error: EngineError| error.to_string();
        let loaded = node.load("k").await.map_err(text);
        let expected: Option<Revision> =
            loaded.clone().ok().flatten().map(|record| record.revision);
        drop(node.swap("k", expected, vec![n], Some(2 * SECOND)).await);
        advance(SECOND / 2).await;
        settle().await;
        seen.push(loaded);
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn the_same_faults_do_the_same() {
    let first = run().await;
    assert!(first.iter().any(Result::is_err) && first.iter().any(Result::is_ok));
    assert_eq!(run().await, first);
}
