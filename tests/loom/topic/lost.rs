//! What a reader does not get, and is told of.

use std::time::{Duration, Instant};

use hangup::topic::{Cursor, Replay, Retention, Topic};
use loom::thread::spawn;

use super::{Outcomes, Read, Task, publish_all, read, topic};
use crate::model::model;

/// The items are those of `numbers`: each is read once and in order, or lies in the one gap
/// that names it.
fn assert_whole(read: &[Read], after: u64, last: u64) {
    let mut at = after;
    for next in read {
        let (from, to) = match *next {
            Ok(item) => (item - 1, item),
            Err(gap) => gap,
        };
        assert!(from == at && to > at, "{read:?}");
        at = to;
    }
    assert_eq!(at, last, "{read:?}");
}

#[test]
fn what_is_evicted_is_told() {
    let seen = Outcomes::new();
    let reads = seen.clone();
    model(move || {
        let topic = topic(1);
        let mut events = topic.subscribe(Replay::Now);
        let reader = spawn(move || {
            let task = Task::new();
            (task.all(&mut events), task)
        });
        let publisher = spawn({
            let topic = topic.clone();
            move || publish_all(&topic, 3)
        });
        let (read, task) = reader.join().unwrap();
        publisher.join().unwrap();
        assert_whole(&read, 0, 3);
        assert!(task.is_forgotten());
        reads.note(read);
    });
    seen.are([
        vec![Ok(1), Ok(2), Ok(3)],
        vec![Ok(1), Err((1, 2)), Ok(3)],
        vec![Err((0, 1)), Ok(2), Ok(3)],
        vec![Err((0, 1)), Err((1, 2)), Ok(3)],
        vec![Err((0, 2)), Ok(3)],
    ]);
}

/// A client comes back while what it has not seen is evicted.
#[test]
fn what_is_evicted_before_a_client_comes_back_is_told() {
    let seen = Outcomes::new();
    let reads = seen.clone();
    model(move || {
        let topic = topic(1);
        let replay = Replay::After(topic.publish(1).unwrap());
        topic.publish(2).unwrap();
        let reader = spawn({
            let topic = topic.clone();
            move || {
                let task = Task::new();
                (task.all(&mut topic.subscribe(replay)), task)
            }
        });
        let publisher = spawn({
            let topic = topic.clone();
            move || publish_all(&topic, 3)
        });
        let (read, task) = reader.join().unwrap();
        publisher.join().unwrap();
        assert_whole(&read, 1, 3);
        assert!(task.is_forgotten());
        reads.note(read);
    });
    seen.are([vec![Ok(2), Ok(3)], vec![Err((1, 2)), Ok(3)]]);
}

/// Time goes on while a reader comes to an item.
#[test]
fn what_is_too_old_is_told() {
    let seen = Outcomes::new();
    let reads = seen.clone();
    model(move || {
        let now = Instant::now();
        let retention = Retention::items(9).age(Duration::from_secs(1));
        let topic = Topic::builder(retention).expired_by_hand(now);
        let topic = topic.build().unwrap();
        let mut events = topic.subscribe(Replay::Now);
        let reader = spawn(move || {
            let task = Task::new();
            (task.all(&mut events), task)
        });
        let publisher = spawn({
            let topic = topic.clone();
            move || {
                topic.publish(1).unwrap();
                topic.expire(now + Duration::from_secs(2));
                publish_all(&topic, 2);
            }
        });
        let (read, task) = reader.join().unwrap();
        publisher.join().unwrap();
        assert_whole(&read, 0, 2);
        assert_eq!(topic.len(), 1);
        assert!(task.is_forgotten());
        reads.note(read);
    });
    seen.are([vec![Ok(1), Ok(2)], vec![Err((0, 1)), Ok(2)]]);
}

/// A reset is told also if nothing is published after it.
#[test]
fn a_reset_is_told() {
    let seen = Outcomes::new();
    let counts = seen.clone();
    model(move || {
        let topic = topic(9);
        let mut events = topic.subscribe(Replay::Now);
        let begin = topic.cursor();
        let start = Cursor::new(begin.incarnation().wrapping_add(1), 100);
        let reader = spawn(move || {
            let task = Task::new();
            let mut last = begin;
            let gap = loop {
                match task.run(read(&mut events)).unwrap() {
                    Ok(item) => last = item.cursor(),
                    Err(gap) => break gap,
                }
            };
            assert_eq!((gap.from, gap.to, gap.resume), (last, start, start));
            (last, events, task)
        });
        let resetter = spawn({
            let topic = topic.clone();
            move || {
                topic.publish(1).unwrap();
                topic.reset(start).unwrap();
            }
        });
        let (last, mut events, task) = reader.join().unwrap();
        resetter.join().unwrap();
        topic.publish(2).unwrap();
        assert_eq!(task.next(&mut events), Some(Ok(2)));
        drop(events);
        assert!(task.is_forgotten());
        counts.note(last.number() - begin.number());
    });
    seen.are([0, 1]);
}
