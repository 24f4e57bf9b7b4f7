//! Wakers in their slots, while a publisher has taken the chunk out.

use std::sync::Arc;
use std::task::{Poll, Waker};

use hangup::CloseReason;
use hangup::topic::{Replay, Subscription, Topic};
use loom::thread::spawn;

use super::{Outcomes, Task, poll, publish_all, read, topic, wait};
use crate::model::{Signal, Woken, explore, model, model_3};

/// A waker that counts, and what it counts.
fn woken() -> (Arc<Woken>, Waker) {
    let woken = Arc::new(Woken::default());
    (Arc::clone(&woken), woken.into())
}

fn is_forgotten(woken: &Arc<Woken>) -> bool {
    Arc::strong_count(woken) == 1
}

#[test]
fn a_subscription_is_dropped_while_it_is_woken() {
    let seen = Outcomes::new();
    let counts = seen.clone();
    model(move || {
        let topic = topic(9);
        let mut events = topic.subscribe(Replay::Now);
        let (woken, waker) = woken();
        wait(&mut events, &waker);
        drop(waker);
        let owner = spawn(move || drop(events));
        let publisher = spawn({
            let topic = topic.clone();
            move || _ = topic.publish(1).unwrap()
        });
        owner.join().unwrap();
        publisher.join().unwrap();
        assert_eq!(topic.subscribers(), 0);
        // Its waker is gone, from wherever it was.
        assert!(is_forgotten(&woken));
        counts.note(woken.count());
    });
    seen.are([0, 1]);
}

#[test]
fn a_slot_that_is_given_back_wakes_its_next_owner() {
    let seen = Outcomes::new();
    let begins = seen.clone();
    model(move || {
        let topic = topic(9);
        let mut first = topic.subscribe(Replay::Now);
        let (woken, waker) = woken();
        wait(&mut first, &waker);
        drop(waker);
        let reader = spawn({
            let topic = topic.clone();
            move || {
                drop(first);
                let task = Task::new();
                let mut second = topic.subscribe(Replay::Now);
                let begin = second.cursor().number();
                let all = task.all(&mut second);
                (begin, all, task)
            }
        });
        let publisher = spawn({
            let topic = topic.clone();
            move || publish_all(&topic, 2)
        });
        let (begin, all, task) = reader.join().unwrap();
        publisher.join().unwrap();
        assert_eq!(all, (begin + 1..=2).map(Ok).collect::<Vec<_>>());
        assert!(task.is_forgotten() && is_forgotten(&woken));
        begins.note(begin);
    });
    seen.are([0, 1, 2]);
}

/// The next owner goes as well, before the chunk is back, or after.
#[test]
fn a_slot_is_given_back_twice() {
    let seen = Outcomes::new();
    let counts = seen.clone();
    model(move || {
        let topic = topic(9);
        let wakers = [woken(), woken()];
        let [(first, first_waker), (second, second_waker)] = wakers;
        let mut events = topic.subscribe(Replay::Now);
        wait(&mut events, &first_waker);
        drop(first_waker);
        let owner = spawn({
            let topic = topic.clone();
            move || {
                drop(events);
                let mut events = topic.subscribe(Replay::Now);
                let polled = poll(&mut events, &second_waker);
                drop(events);
                polled
            }
        });
        let publisher = spawn({
            let topic = topic.clone();
            move || _ = topic.publish(1).unwrap()
        });
        let polled = owner.join().unwrap();
        publisher.join().unwrap();
        assert!(is_forgotten(&first) && is_forgotten(&second));
        assert_eq!(topic.subscribers(), 0);
        counts.note((first.count(), polled.is_pending(), second.count()));
    });
    seen.are([
        // The first one goes before it is woken, and the second one comes afterwards.
        (0, true, 0),
        // The second one comes before the item, and does not see it any more.
        (0, true, 1),
        // Or it does.
        (0, false, 0),
        // The first one goes while it is woken.
        (1, true, 0),
    ]);
}

#[test]
fn a_task_that_moves_is_woken_where_it_is() {
    let seen = Outcomes::new();
    let counts = seen.clone();
    model(move || {
        let topic = topic(9);
        let mut events = topic.subscribe(Replay::Now);
        let (before, waker) = woken();
        wait(&mut events, &waker);
        drop(waker);
        let reader = spawn(move || {
            // It is polled with the waker of this task alone.
            let task = Task::new();
            (task.all(&mut events), task)
        });
        let publisher = spawn({
            let topic = topic.clone();
            move || publish_all(&topic, 2)
        });
        let (all, task) = reader.join().unwrap();
        publisher.join().unwrap();
        assert_eq!(all, [Ok(1), Ok(2)]);
        assert!(task.is_forgotten() && is_forgotten(&before));
        counts.note(before.count());
    });
    // For the first item, before it has moved.
    seen.are([0, 1]);
}

#[test]
fn a_task_that_comes_back_is_woken_where_it_is() {
    let seen = Outcomes::new();
    let counts = seen.clone();
    model(move || {
        let topic = topic(9);
        let task = Task::new();
        let mut events = topic.subscribe(Replay::Now);
        wait(&mut events, &task.waker());
        let (away, waker) = woken();
        let reader = spawn(move || {
            let mut read = Vec::new();
            if let Poll::Ready(next) = poll(&mut events, &waker) {
                read.extend(next);
            }
            drop(waker);
            read.extend(task.all(&mut events));
            (read, task)
        });
        let publisher = spawn({
            let topic = topic.clone();
            move || publish_all(&topic, 1)
        });
        let (read, task) = reader.join().unwrap();
        publisher.join().unwrap();
        assert_eq!(read, [Ok(1)]);
        assert!(task.is_forgotten() && is_forgotten(&away));
        counts.note(away.count());
    });
    seen.are([0, 1]);
}

#[test]
fn a_poll_that_was_not_woken_misses_nothing() {
    let seen = Outcomes::new();
    let counts = seen.clone();
    model(move || {
        let topic = topic(9);
        let mut events = topic.subscribe(Replay::Now);
        let (woken, waker) = woken();
        let reader = spawn(move || {
            // As often as it likes, and each time it may wait anew.
            let polled = [(); 3].map(|()| poll(&mut events, &waker));
            (polled.iter().filter(|it| it.is_ready()).count(), events)
        });
        let publisher = spawn({
            let topic = topic.clone();
            move || _ = topic.publish(1).unwrap()
        });
        let (read, mut events) = reader.join().unwrap();
        publisher.join().unwrap();
        if read == 0 {
            assert_eq!(woken.count(), 1);
            assert_eq!(Task::new().next(&mut events), Some(Ok(1)));
        }
        drop(events);
        assert!(is_forgotten(&woken));
        counts.note((read, woken.count()));
    });
    // It reads before it has waited, or is woken; and it may read before the wake.
    seen.are([(0, 1), (1, 0), (1, 1)]);
}

/// By other means than its waker, which another publisher may call later.
#[test]
fn what_a_reader_is_told_of_is_there_3() {
    let seen = Outcomes::new();
    let told = seen.clone();
    model_3(2, move || {
        let topic = topic(9);
        let signal = Signal::new();
        let (woken, waker) = woken();
        let mut events = topic.subscribe(Replay::Now);
        wait(&mut events, &waker);
        let reader = spawn({
            let signal = signal.clone();
            move || {
                let mut read = Vec::new();
                let mut read_on = || {
                    while let Poll::Ready(next) = poll(&mut events, &waker) {
                        read.extend(next);
                    }
                };
                // It may have the one item, and wait for the other one since.
                read_on();
                let is_told = signal.is_sent();
                read_on();
                assert!(!is_told || read.contains(&Ok(2)));
                (is_told, read.len())
            }
        });
        let other = spawn({
            let topic = topic.clone();
            move || _ = topic.publish(1).unwrap()
        });
        let teller = spawn({
            let topic = topic.clone();
            move || {
                topic.publish(2).unwrap();
                signal.send();
            }
        });
        told.note(reader.join().unwrap());
        other.join().unwrap();
        teller.join().unwrap();
        assert!(is_forgotten(&woken));
    });
    let read = [0, 1, 2].map(|read| (false, read));
    seen.are(read.into_iter().chain([(true, 1), (true, 2)]));
}

/// It is due while its chunk is out, and another one of that chunk waits on since.
#[test]
fn a_subscription_that_is_due_stays_due_3() {
    model_3(2, || {
        let topic = topic(9);
        let task = Task::new();
        let [mut first, mut second] = [(); 2].map(|()| topic.subscribe(Replay::Now));
        let (woken, waker) = woken();
        wait(&mut first, &task.waker());
        wait(&mut second, &waker);
        let publishers = [
            spawn({
                let topic = topic.clone();
                move || _ = topic.publish(1).unwrap()
            }),
            spawn({
                let topic = topic.clone();
                move || {
                    topic.publish(2).unwrap();
                    while poll(&mut second, &waker).is_ready() {}
                    topic.publish(3).unwrap();
                }
            }),
        ];
        for _ in 0..3 {
            assert!(task.run(read(&mut first)).unwrap().is_ok());
        }
        for publisher in publishers {
            publisher.join().unwrap();
        }
        drop(first);
        assert!(task.is_forgotten() && is_forgotten(&woken));
    });
}

/// As many subscriptions that wait as make one chunk full, but for one.
fn crowd(topic: &Topic<u64>) -> Vec<Subscription<u64>> {
    let crowd = (0..63).map(|_| {
        let mut events = topic.subscribe(Replay::Now);
        wait(&mut events, Waker::noop());
        events
    });
    crowd.collect()
}

/// The second publisher only appends, whichever chunk the first one has reached by then.
#[test]
fn what_comes_while_a_publisher_wakes_wakes_all_chunks_3() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 10_000;
    explore(builder, || {
        let topic = topic(9);
        let tasks = [Task::new(), Task::new()];
        let [mut first, mut second] = [(); 2].map(|()| topic.subscribe(Replay::Now));
        wait(&mut first, &tasks[0].waker());
        let crowd = crowd(&topic);
        // In a chunk of its own.
        wait(&mut second, &tasks[1].waker());
        let publishers = [(); 2].map(|()| {
            let topic = topic.clone();
            spawn(move || topic.publish(topic.cursor().number()).unwrap())
        });
        for (task, events) in tasks.iter().zip([&mut first, &mut second]) {
            for _ in 0..2 {
                assert!(task.next(events).unwrap().is_ok());
            }
        }
        for publisher in publishers {
            publisher.join().unwrap();
        }
        drop((first, second, crowd));
        assert!(tasks.iter().all(Task::is_forgotten));
        topic.close(CloseReason::Completed);
    });
}

/// The last chunks go while one before them, or one of them, is out.
#[test]
fn a_chunk_goes_while_another_one_is_out() {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 10_000;
    let seen = Outcomes::new();
    let counts = seen.clone();
    explore(builder, move || {
        let topic = topic(9);
        let task = Task::new();
        let (woken, waker) = woken();
        let [mut first, mut second] = [(); 2].map(|()| topic.subscribe(Replay::Now));
        wait(&mut first, &task.waker());
        let crowd = crowd(&topic);
        wait(&mut second, &waker);
        drop(waker);
        let owner = spawn({
            let topic = topic.clone();
            move || {
                drop(second);
                // The chunk comes back with its next owner.
                let mut third = topic.subscribe(Replay::Now);
                let task = Task::new();
                let begin = third.cursor().number();
                (begin, task.all(&mut third), task)
            }
        });
        let publisher = spawn({
            let topic = topic.clone();
            move || publish_all(&topic, 1)
        });
        let (begin, all, other) = owner.join().unwrap();
        publisher.join().unwrap();
        assert_eq!(all, (begin + 1..=1).map(Ok).collect::<Vec<_>>());
        assert_eq!(task.all(&mut first), [Ok(1)]);
        drop((first, crowd));
        assert!(task.is_forgotten() && other.is_forgotten() && is_forgotten(&woken));
        assert_eq!(topic.subscribers(), 0);
        counts.note((begin, woken.count()));
    });
    // What wakes the second one has brought the item.
    seen.are([(0, 0), (1, 0), (1, 1)]);
}
