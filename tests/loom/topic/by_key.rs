//! Topics by key: keys come and go under those who use them.

use std::sync::Arc;

use hangup::CloseReason;
use hangup::topic::{Replay, Retention, Topic, Topics};
use loom::sync::Mutex;
use loom::thread::spawn;

use super::{Outcomes, Read, Task};
use crate::model::{model, model_3};

type Numbers = Topics<u32, u64>;

const KEY: &u32 = &1;

fn topics() -> Numbers {
    Numbers::new(Topic::builder(Retention::items(9))).unwrap()
}

/// All that is retained under the key.
fn retained(topics: &Numbers) -> Vec<Read> {
    let mut events = topics.subscribe(KEY, Replay::All).unwrap();
    topics.close(KEY, CloseReason::Completed);
    Task::new().all(&mut events)
}

/// Both may make the topic of a key that is new.
#[test]
fn a_key_comes_into_use_once() {
    let seen = Outcomes::new();
    let begins = seen.clone();
    model(move || {
        let topics = topics();
        let reader = spawn({
            let topics = topics.clone();
            move || {
                let task = Task::new();
                let mut events = topics.subscribe(KEY, Replay::Now).unwrap();
                let begin = events.cursor().number();
                if begin == 0 {
                    assert_eq!(task.next(&mut events), Some(Ok(1)));
                }
                (begin, task)
            }
        });
        let publisher = spawn({
            let topics = topics.clone();
            move || _ = topics.publish(KEY, 1).unwrap()
        });
        let (begin, task) = reader.join().unwrap();
        publisher.join().unwrap();
        assert_eq!((topics.len(), topics.subscribers(KEY)), (1, 0));
        assert!(task.is_forgotten());
        assert_eq!(retained(&topics), [Ok(1)]);
        assert!(topics.is_empty());
        begins.note(begin);
    });
    seen.are([0, 1]);
}

/// A key is removed with its last subscription, unless an item comes first; and one that comes
/// later finds the key anew.
#[test]
fn what_is_published_while_a_key_is_removed_is_retained() {
    model(|| {
        let topics = topics();
        let events = topics.subscribe(KEY, Replay::Now).unwrap();
        let owner = spawn(move || drop(events));
        let publisher = spawn({
            let topics = topics.clone();
            move || topics.publish(KEY, 1).unwrap()
        });
        owner.join().unwrap();
        let cursor = publisher.join().unwrap();
        assert_eq!((topics.len(), topics.subscribers(KEY)), (1, 0));
        assert_eq!(topics.cursor(KEY), Some(cursor));
        assert_eq!(retained(&topics), [Ok(1)]);
        assert!(topics.is_empty());
    });
}

#[test]
fn r27_accepted_then_closed_or_for_those_who_come_later_3() {
    let seen = Outcomes::new();
    let reads = seen.clone();
    model_3(2, move || {
        let topics = topics();
        let task = Task::new();
        let mut events = topics.subscribe(KEY, Replay::Now).unwrap();
        let closer = spawn({
            let topics = topics.clone();
            move || assert!(topics.close(KEY, CloseReason::Shutdown))
        });
        let publisher = spawn({
            let topics = topics.clone();
            move || _ = topics.publish(KEY, 1).unwrap()
        });
        let before = task.all(&mut events);
        closer.join().unwrap();
        publisher.join().unwrap();
        let after = retained(&topics);
        // It arrives once, here or there.
        assert_eq!([&before[..], &after].concat(), [Ok(1)]);
        assert!(task.is_forgotten() && topics.is_empty());
        reads.note(before.len());
    });
    seen.are([0, 1]);
}

/// The hooks come in turns and one at a time, and the last one says what is so.
#[test]
fn hooks_say_whether_a_key_has_subscriptions() {
    let seen = Outcomes::new();
    let orders = seen.clone();
    model(move || {
        // Another thread may come between the end of a lock and the begin of a hook.
        let calls: Arc<Mutex<Vec<&str>>> = Arc::new(Mutex::new(Vec::new()));
        let call = |name| {
            let calls = Arc::clone(&calls);
            move |_: &u32| calls.lock().unwrap().push(name)
        };
        let topics = Numbers::builder(Topic::builder(Retention::items(9)));
        let topics = topics.on_first(call("first")).on_last(call("last"));
        let topics = topics.build().unwrap();
        let events = topics.subscribe(KEY, Replay::Now).unwrap();
        let leaves = spawn(move || drop(events));
        let comes_and_goes = spawn({
            let topics = topics.clone();
            move || drop(topics.subscribe(KEY, Replay::Now).unwrap())
        });
        leaves.join().unwrap();
        comes_and_goes.join().unwrap();
        assert!(topics.is_empty());
        orders.note(calls.lock().unwrap().clone());
    });
    let once = vec!["first", "last"];
    let twice = [&once[..], &once].concat();
    seen.are([once, twice]);
}

/// A subscription that comes as the last one goes has the topic that is published to.
#[test]
fn a_key_stays_for_a_subscription_that_comes() {
    model(|| {
        let topics = topics();
        let events = topics.subscribe(KEY, Replay::Now).unwrap();
        let leaves = spawn(move || drop(events));
        let comes = spawn({
            let topics = topics.clone();
            move || topics.subscribe(KEY, Replay::Now).unwrap()
        });
        leaves.join().unwrap();
        let mut events = comes.join().unwrap();
        assert_eq!(topics.subscribers(KEY), 1);
        topics.publish(KEY, 1).unwrap();
        assert_eq!(Task::new().next(&mut events), Some(Ok(1)));
        drop(events);
        assert_eq!(topics.subscribers(KEY), 0);
    });
}

/// The last clone is dropped, maybe by a subscription that ends just then.
#[test]
fn subscriptions_end_with_the_topics() {
    model(|| {
        let topics = topics();
        let mut events = topics.subscribe(KEY, Replay::Now).unwrap();
        topics.publish(KEY, 1).unwrap();
        let reader = spawn(move || {
            let task = Task::new();
            (task.all(&mut events), task)
        });
        let owner = spawn(move || drop(topics));
        let (read, task) = reader.join().unwrap();
        owner.join().unwrap();
        assert_eq!(read, [Ok(1)]);
        assert!(task.is_forgotten());
    });
}

/// Two that end at once leave nothing behind.
#[test]
fn the_last_two_subscriptions_go() {
    model(|| {
        let topics = topics();
        let threads = [(); 2].map(|()| {
            let events = topics.subscribe(KEY, Replay::Now).unwrap();
            spawn(move || drop(events))
        });
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(topics.is_empty());
    });
}

/// A close leaves the key to the subscriptions that it ends, or they to the close: also with an
/// item that was retained.
#[test]
fn a_closed_key_goes_with_its_last_subscription() {
    for items in 0..2 {
        let seen = Outcomes::new();
        let closes = seen.clone();
        model(move || {
            let topics = topics();
            let events = topics.subscribe(KEY, Replay::Now).unwrap();
            for item in 0..items {
                topics.publish(KEY, item).unwrap();
            }
            let owner = spawn(move || drop(events));
            let closer = spawn({
                let topics = topics.clone();
                move || topics.close(KEY, CloseReason::Shutdown)
            });
            owner.join().unwrap();
            closes.note(closer.join().unwrap());
            assert!(topics.is_empty());
        });
        // What is retained keeps the key.
        seen.are(if items == 0 {
            vec![false, true]
        } else {
            vec![true]
        });
    }
}

/// As many keys as may be in use are.
#[test]
fn two_keys_contend_for_the_last_place() {
    let seen = Outcomes::new();
    let winners = seen.clone();
    model(move || {
        let topics = Numbers::builder(Topic::builder(Retention::items(9))).max_topics(1);
        let topics = topics.build().unwrap();
        let threads = [KEY, &2].map(|key| {
            let topics = topics.clone();
            spawn(move || topics.publish(key, 1).is_ok())
        });
        let published = threads.map(|thread| thread.join().unwrap());
        assert_eq!(topics.len(), 1);
        assert!(published[0] != published[1]);
        winners.note(published);
    });
    seen.are([[false, true], [true, false]]);
}
