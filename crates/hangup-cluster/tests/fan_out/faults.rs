//! Engines that fail, lose and forget.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use hangup::topic::{Cursor, Replay};
use hangup_cluster::engine::{Claims, Log};
use hangup_cluster::fan_out::SubscribeError;
use hangup_cluster::memory::{Fate, Memory, Method};

use crate::engine::{Breaking, Scripted};
use crate::support::{
    expect, expect_gap, expect_nothing, key, node, publish, settle, subscribe, topics,
};

#[tokio::test(start_paused = true)]
async fn streams_that_fail_at_every_point_lose_and_double_nothing() {
    const EVENTS: u64 = 12;
    for after in 1..=13 {
        for (ring, repeats) in [(1, 1), (4, 1), (4, 3), (100, 1), (100, 2)] {
            let memory = Memory::on_current().unwrap();
            let log = Breaking {
                log: memory.link(),
                after,
                repeats,
                reads: AtomicUsize::new(0),
            };
            let topics = topics(log, ring);
            let origin = memory.end(key().as_str()).await.unwrap();
            let mut live = subscribe(&topics, Replay::Now).await;
            publish(&topics, 0..EVENTS / 2).await;
            let mut replayed = subscribe(&topics, Replay::After(origin)).await;
            let mut all = subscribe(&topics, Replay::All).await;
            publish(&topics, EVENTS / 2..EVENTS).await;
            for events in [&mut live, &mut replayed, &mut all] {
                expect(events, 0..EVENTS).await;
                expect_nothing(events).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_engine_at_every_point_is_not_noticed() {
    const EVENTS: u64 = 12;
    for k in 0..=EVENTS {
        let memory = Memory::on_current().unwrap();
        let (_, topics) = node(&memory, 3);
        let origin = memory.end(key().as_str()).await.unwrap();
        let mut live = subscribe(&topics, Replay::Now).await;
        publish(&topics, 0..EVENTS).await;
        let mut replayed = subscribe(&topics, Replay::After(origin)).await;
        expect(&mut live, 0..k).await;
        expect(&mut replayed, 0..k).await;
        memory.restart();
        publish(&topics, EVENTS..EVENTS + 3).await;
        expect(&mut live, k..EVENTS + 3).await;
        expect(&mut replayed, k..EVENTS + 3).await;
        expect_nothing(&mut live).await;
        expect_nothing(&mut replayed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_waits_and_loses_nothing() {
    let memory = Memory::on_current().unwrap();
    let ((link, a), (_, b)) = (node(&memory, 3), node(&memory, 3));
    let mut live = subscribe(&a, Replay::Now).await;
    publish(&b, 0..2).await;
    let cursor = expect(&mut live, 0..2).await;
    link.cut();
    publish(&b, 2..10).await;
    expect_nothing(&mut live).await;
    // The key is in use, so nothing is asked of the engine.
    let mut replayed = subscribe(&a, Replay::After(cursor)).await;
    let mut all = subscribe(&a, Replay::All).await;
    let mut now = subscribe(&a, Replay::Now).await;
    expect_nothing(&mut replayed).await;
    expect_nothing(&mut all).await;
    expect_nothing(&mut now).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    link.heal();
    expect(&mut live, 2..10).await;
    expect(&mut replayed, 2..10).await;
    expect(&mut all, 0..10).await;
    // Behind what this node had read, whatever the others had.
    expect(&mut now, 2..10).await;
}

#[tokio::test(start_paused = true)]
async fn without_the_engine_a_new_key_is_unavailable_until_it_is_back() {
    let memory = Memory::on_current().unwrap();
    let (link, topics) = node(&memory, 3);
    link.cut();
    let begun = tokio::time::Instant::now();
    for _ in 0..3 {
        let refused = topics.subscribe(&key(), Replay::Now).await.unwrap_err();
        assert!(
            matches!(refused, SubscribeError::Unavailable(_)),
            "{refused}"
        );
    }
    // Each waits for one answer, which takes five seconds, and no one is given an old one.
    let elapsed = begun.elapsed();
    assert!((15..22).contains(&elapsed.as_secs()), "{elapsed:?}");
    link.heal();
    let mut events = loop {
        match topics.subscribe(&key(), Replay::Now).await {
            Ok(events) => break events,
            Err(SubscribeError::Unavailable(_)) => settle().await,
            Err(error) => panic!("{error}"),
        }
    };
    publish(&topics, 0..3).await;
    expect(&mut events, 0..3).await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_forgets_is_told_as_a_gap_and_read_on() {
    for ring in [1, 3, 100] {
        for k in 0..=6 {
            let memory = Memory::on_current().unwrap();
            let (link, topics) = node(&memory, ring);
            link.adopt().await.unwrap();
            let origin = link.end(key().as_str()).await.unwrap();
            let mut live = subscribe(&topics, Replay::Now).await;
            publish(&topics, 0..6).await;
            settle().await;
            let mut replayed = subscribe(&topics, Replay::After(origin)).await;
            expect(&mut replayed, 0..k).await;
            memory.forget();
            tokio::time::sleep(Duration::from_secs(1)).await;
            // The node has not noticed: it serves what it has, and waits.
            link.adopt().await.unwrap();
            publish(&topics, 100..103).await;

            for (events, has) in [(&mut live, 0), (&mut replayed, k)] {
                let mut expected = has;
                // What the node still has, it may yield before.
                let gap = loop {
                    match crate::support::next(events).await {
                        Ok(event) => assert_eq!((*event, expected), (expected, *event)),
                        Err(gap) => break gap,
                    }
                    expected += 1;
                };
                assert!(expected <= 6);
                assert_eq!(gap.asked.incarnation(), origin.incarnation());
                assert_ne!(gap.resume.incarnation(), origin.incarnation());
                expect(events, 100..103).await;
                expect_nothing(events).await;
            }
            // A cursor of the old life, on any node.
            let (_, other) = node(&memory, ring);
            for topics in [&topics, &other] {
                let mut old = subscribe(topics, Replay::After(origin)).await;
                assert_eq!(expect_gap(&mut old).await.asked, origin);
                expect(&mut old, 100..103).await;
                expect_nothing(&mut old).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_log_has_trimmed_is_one_gap() {
    const EVENTS: u64 = 20;
    for ring in [1, 5, 100] {
        let memory = Memory::builder()
            .kept_items(8)
            .build(tokio::runtime::Handle::current());
        let (_, topics) = node(&memory, ring);
        let mut cursors = vec![memory.end(key().as_str()).await.unwrap()];
        for number in 0..EVENTS {
            cursors.push(topics.publish(&key(), number.to_string()).await.unwrap());
        }
        for (has, cursor) in (0..).zip(&cursors) {
            let mut events = subscribe(&topics, Replay::After(*cursor)).await;
            if has < 12 {
                let gap = expect_gap(&mut events).await;
                assert_eq!((gap.asked, gap.resume), (*cursor, cursors[12]));
            }
            expect(&mut events, has.max(12)..EVENTS).await;
            expect_nothing(&mut events).await;
        }
        // What was lost before is no gap.
        let mut all = subscribe(&topics, Replay::All).await;
        expect(&mut all, 12..EVENTS).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_trimmed_before_a_node_comes_to_it_is_a_gap() {
    let memory = Memory::builder()
        .kept_items(8)
        .build(tokio::runtime::Handle::current());
    let ((link, a), (_, b)) = (node(&memory, 100), node(&memory, 100));
    let mut live = subscribe(&a, Replay::Now).await;
    let mut slow = subscribe(&a, Replay::Now).await;
    publish(&b, 0..3).await;
    let asked = expect(&mut live, 0..3).await;
    link.cut();
    publish(&b, 3..30).await;
    link.heal();
    tokio::time::sleep(Duration::from_secs(10)).await;
    // The ring of the node had them.
    expect(&mut slow, 0..3).await;
    for events in [&mut live, &mut slow] {
        assert_eq!(expect_gap(events).await.asked, asked);
        expect(events, 22..30).await;
        expect_nothing(events).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_trimmed_before_the_first_event_of_all_is_no_gap() {
    let memory = Memory::builder()
        .kept_items(8)
        .build(tokio::runtime::Handle::current());
    let (_, publisher) = node(&memory, 100);
    publish(&publisher, 0..10).await;
    let (link, topics) = node(&memory, 1);
    let _kept = subscribe(&topics, Replay::Now).await;
    settle().await;
    // Between the answer about the start and the first item.
    link.fates(|call| match call.method {
        Method::Read | Method::Start => Fate::DelayAnswer(Duration::from_millis(3)),
        _ => Fate::Answer,
    });
    let mut all = subscribe(&topics, Replay::All).await;
    let reading = tokio::spawn(async move {
        expect(&mut all, 12..20).await;
        all
    });
    tokio::time::sleep(Duration::from_millis(4)).await;
    publish(&publisher, 10..20).await;
    let mut all = reading.await.unwrap();
    // Later on it is one.
    publish(&publisher, 20..30).await;
    settle().await;
    expect_gap(&mut all).await;
    expect(&mut all, 22..30).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_trimmed_before_a_slow_subscriber_comes_to_it_is_a_gap() {
    let memory = Memory::builder()
        .kept_items(8)
        .build(tokio::runtime::Handle::current());
    let (_, topics) = node(&memory, 4);
    let mut events = subscribe(&topics, Replay::Now).await;
    publish(&topics, 0..3).await;
    let asked = expect(&mut events, 0..3).await;
    publish(&topics, 3..30).await;
    settle().await;
    let gap = expect_gap(&mut events).await;
    assert_eq!(gap.asked, asked);
    expect(&mut events, 22..30).await;
    expect_nothing(&mut events).await;
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_the_log_has_not_given_is_a_gap_up_to_its_end() {
    let memory = Memory::on_current().unwrap();
    let (_, topics) = node(&memory, 10);
    publish(&topics, 0..3).await;
    let end = memory.end(key().as_str()).await.unwrap();
    let ahead = Cursor::new(end.incarnation(), end.number() + 1);
    // The first one when the key is not in use, the second one when it is.
    let mut first = subscribe(&topics, Replay::After(ahead)).await;
    let mut second = subscribe(&topics, Replay::After(ahead)).await;
    for events in [&mut first, &mut second] {
        let gap = expect_gap(events).await;
        assert_eq!((gap.asked, gap.resume), (ahead, end));
    }
    publish(&topics, 3..6).await;
    for events in [&mut first, &mut second] {
        expect(events, 3..6).await;
        expect_nothing(events).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_tail_that_the_engine_has_lost_is_told_and_what_follows_is_not_skipped() {
    let log = Scripted::default();
    let topics = topics(log.clone(), 100);
    let mut live = subscribe(&topics, Replay::Now).await;
    log.append(0..8);
    let asked = expect(&mut live, 0..8).await;
    let behind = subscribe(&topics, Replay::All).await;
    let mut behind = behind;
    expect(&mut behind, 0..3).await;
    log.lose_after(5);
    settle().await;
    // The feeder has noticed when the numbers are given anew.
    tokio::time::sleep(Duration::from_secs(5)).await;
    log.append(100..110);
    let gap = expect_gap(&mut live).await;
    assert_eq!((gap.asked, gap.resume.number()), (asked, 5));
    expect(&mut live, 100..110).await;
    expect_nothing(&mut live).await;
    // The ring had what the log has lost.
    expect(&mut behind, 3..8).await;
    assert_eq!(expect_gap(&mut behind).await.resume.number(), 5);
    expect(&mut behind, 100..110).await;
}

#[tokio::test(start_paused = true)]
async fn another_incarnation_that_the_engine_does_not_tell_of_is_a_gap() {
    let log = Scripted::default();
    let topics = topics(log.clone(), 100);
    let mut live = subscribe(&topics, Replay::Now).await;
    log.append(0..3);
    let asked = expect(&mut live, 0..3).await;
    log.change_silently();
    log.append(10..13);
    let gap = expect_gap(&mut live).await;
    assert_eq!(gap.asked, asked);
    assert_eq!(gap.resume, Cursor::new(1, 0));
    expect(&mut live, 10..13).await;
    expect_nothing(&mut live).await;
}

#[tokio::test(start_paused = true)]
async fn lost_answers_of_every_call_of_a_reader_are_asked_for_anew() {
    for number in 1..=6 {
        let memory = Memory::on_current().unwrap();
        let (_, publisher) = node(&memory, 3);
        publish(&publisher, 0..10).await;
        let (link, topics) = node(&memory, 3);
        // The first call finds the end, and may fail to the caller.
        let mut live = subscribe(&topics, Replay::Now).await;
        let next = link.calls() + number;
        link.fate_of(next, Fate::Lose { applied: true });
        link.fate_of(next + 1, Fate::DelayAnswer(Duration::from_secs(60)));
        link.fates(|call| match call.method {
            Method::Read => Fate::Delay(Duration::from_millis(3)),
            _ => Fate::Answer,
        });
        let mut all = subscribe(&topics, Replay::All).await;
        publish(&publisher, 10..20).await;
        expect(&mut all, 0..20).await;
        expect(&mut live, 10..20).await;
        expect_nothing(&mut all).await;
        expect_nothing(&mut live).await;
    }
}
