//! Hints that are lost, doubled, late and out of order.

use std::time::Duration;

use tokio::time::advance;

use super::{SECOND, is_unknown, memory, nodes, now};
use crate::engine::{HintStream, Hints};
use crate::memory::Link;

async fn send(link: &Link, hint: &str) {
    link.send("i", hint.into()).await.unwrap();
}

/// All that has come, one letter for each hint.
async fn heard(listener: &mut HintStream) -> String {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    let mut heard = String::new();
    while let Some(Some(hint)) = now(listener) {
        heard += &String::from_utf8(hint).unwrap();
    }
    heard
}

#[tokio::test(start_paused = true)]
async fn hints_arrive_as_often_and_as_late_as_the_fault_says() {
    let memory = memory();
    let (a, b) = nodes(&memory).await;
    let mut listener = b.listen("i").await.unwrap();
    let mut other = b.listen("other").await.unwrap();
    a.hint_arrivals(|call, hint| {
        assert_eq!(call.name, "i");
        match hint {
            b"l" => vec![],
            b"d" => vec![Duration::ZERO, SECOND],
            b"s" => vec![2 * SECOND],
            _ => vec![Duration::ZERO],
        }
    });
    for hint in ["1", "l", "s", "d", "2"] {
        send(&a, hint).await;
    }
    assert_eq!(heard(&mut listener).await, "1d2");
    advance(SECOND).await;
    assert_eq!(heard(&mut listener).await, "d");
    advance(SECOND).await;
    assert_eq!(heard(&mut listener).await, "s");
    assert_eq!(heard(&mut other).await, "");

    // Those of another node are its own, and there is an end to it.
    send(&b, "l").await;
    a.behave();
    send(&a, "l").await;
    assert_eq!(heard(&mut listener).await, "ll");
}

#[tokio::test(start_paused = true)]
async fn a_cut_loses_hints_in_both_directions() {
    let memory = memory();
    let (a, b) = nodes(&memory).await;
    let mut of_a = a.listen("i").await.unwrap();
    let mut of_b = b.listen("i").await.unwrap();
    a.hint_arrivals(|_, hint| match hint {
        b"s" => vec![SECOND],
        _ => vec![Duration::ZERO],
    });
    send(&a, "s").await;
    a.cut();
    send(&b, "1").await;
    assert!(is_unknown(&a.send("i", b"2".to_vec()).await));
    assert_eq!(heard(&mut of_a).await, "");
    // What was on its way arrives at those who can be reached.
    assert_eq!(heard(&mut of_b).await, "1s");
    // The listener outlives the cut.
    a.heal();
    send(&b, "3").await;
    assert_eq!(heard(&mut of_a).await, "3");
}

#[tokio::test]
async fn an_answer_that_is_lost_sends_the_hint_or_not() {
    use crate::memory::Fate;
    let memory = memory();
    let (a, b) = nodes(&memory).await;
    let mut listener = b.listen("i").await.unwrap();
    a.fate_of(2, Fate::Lose { applied: false });
    a.fate_of(3, Fate::Lose { applied: true });
    for hint in ["1", "2"] {
        assert!(is_unknown(&a.send("i", hint.into()).await));
    }
    assert_eq!(heard(&mut listener).await, "2");
}

#[tokio::test]
async fn a_listener_that_does_not_look_is_bounded() {
    let memory = memory();
    let mut listener = memory.listen("i").await.unwrap();
    for _ in 0..(1 << 16) + 10 {
        memory.send("i", b"h".to_vec()).await.unwrap();
    }
    assert_eq!(heard(&mut listener).await.len(), 1 << 16);
}
