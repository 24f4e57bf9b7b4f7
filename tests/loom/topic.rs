//! Publishing against all that a subscriber does.
//!
//! Both sides of a race are spawned where a model counts the outcomes: it says as well what it
//! explores.

mod by_key;
mod lost;
mod slots;
mod wakers;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;
use hangup::CloseReason;
use hangup::topic::{Cursor, Gap, PublishError, Published, Replay, Retention, Subscription, Topic};
use loom::sync::Notify;
use loom::thread::spawn;

use crate::model::{model, model_3};

fn topic(items: usize) -> Topic<u64> {
    Topic::new(Retention::items(items))
}

/// An item, or what is lost: after this number, up to that one.
type Read = Result<u64, (u64, u64)>;

async fn read(events: &mut Subscription<u64>) -> Option<Result<Published<u64>, Gap>> {
    poll_fn(|cx| Pin::new(&mut *events).poll_next(cx)).await
}

fn numbers(next: Result<Published<u64>, Gap>) -> Read {
    match next {
        Ok(item) => Ok(*item),
        Err(gap) => {
            assert_eq!(gap.resume, gap.to);
            assert_eq!(gap.from.incarnation(), gap.to.incarnation());
            Err((gap.from.number(), gap.to.number()))
        }
    }
}

struct Parked(Notify);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.notify();
    }
}

/// A task: its waker is the same one in every poll, so that a subscription does not look into
/// the log unless it has to.
struct Task(Arc<Parked>);

impl Task {
    fn new() -> Self {
        Self(Arc::new(Parked(Notify::new())))
    }

    fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let waker = self.waker();
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => self.0.0.wait(),
            }
        }
    }

    fn next(&self, events: &mut Subscription<u64>) -> Option<Read> {
        self.run(read(events)).map(numbers)
    }

    /// All items up to the end.
    fn all(&self, events: &mut Subscription<u64>) -> Vec<Read> {
        self.run(async {
            let mut all = Vec::new();
            while let Some(next) = read(events).await {
                all.push(numbers(next));
            }
            all
        })
    }

    /// No slot and no publisher has kept a waker of this task.
    fn is_forgotten(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

fn poll(events: &mut Subscription<u64>, waker: &Waker) -> Poll<Option<Read>> {
    let polled = Pin::new(events).poll_next(&mut Context::from_waker(waker));
    polled.map(|next| next.map(numbers))
}

fn wait(events: &mut Subscription<u64>, waker: &Waker) {
    assert!(poll(events, waker).is_pending());
}

/// What the executions of a model came to.
#[derive(Clone)]
struct Outcomes<T>(Arc<Mutex<BTreeSet<T>>>);

impl<T: Ord + Debug> Outcomes<T> {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn note(&self, outcome: T) {
        self.0.lock().unwrap().insert(outcome);
    }

    /// They came to all of these, and to no other one.
    #[track_caller]
    fn are(&self, expected: impl IntoIterator<Item = T>) {
        assert_eq!(*self.0.lock().unwrap(), expected.into_iter().collect());
    }
}

/// Publishes the items up to `last`, then closes.
fn publish_all(topic: &Topic<u64>, last: u64) {
    for item in topic.cursor().number() + 1..=last {
        topic.publish(item).unwrap();
    }
    topic.close(CloseReason::Completed);
}

#[test]
fn a_reader_gets_each_item_once_and_in_order() {
    model(|| {
        let task = Task::new();
        let topic = topic(9);
        let mut events = topic.subscribe(Replay::Now);
        let publisher = spawn(move || {
            topic.publish(1).unwrap();
            topic.publish(2).unwrap();
        });
        // The end, since the last clone is dropped.
        assert_eq!(task.all(&mut events), [Ok(1), Ok(2)]);
        publisher.join().unwrap();
        // Its slot was given back at the end.
        assert!(task.is_forgotten());
    });
}

#[test]
fn r11_publish_while_the_backlog_is_replayed() {
    // Where it starts, behind the first item or elsewhere, and where it may begin then.
    type Start = fn(Cursor) -> Replay;
    let now: Start = |_| Replay::Now;
    let all: Start = |_| Replay::All;
    let expected = [(now, 1..=3), (all, 0..=0), (Replay::After, 1..=1)];
    for (replay, begins) in expected {
        let seen = Outcomes::new();
        let begun = seen.clone();
        model(move || {
            let topic = topic(9);
            let replay = replay(topic.publish(1).unwrap());
            let reader = spawn({
                let topic = topic.clone();
                move || {
                    let task = Task::new();
                    let mut events = topic.subscribe(replay);
                    let begin = events.cursor().number();
                    (begin, task.all(&mut events), task)
                }
            });
            let publisher = spawn({
                let topic = topic.clone();
                move || publish_all(&topic, 3)
            });
            let (begin, read, task) = reader.join().unwrap();
            publisher.join().unwrap();
            assert_eq!(read, (begin + 1..=3).map(Ok).collect::<Vec<_>>());
            assert!(task.is_forgotten());
            begun.note(begin);
        });
        seen.are(begins);
    }
}

#[test]
fn two_publishers_wake_for_both_items_3() {
    let seen = Outcomes::new();
    let orders = seen.clone();
    model_3(2, move || {
        let task = Task::new();
        let topic = topic(9);
        let mut events = topic.subscribe(Replay::Now);
        let publishers = [10, 20].map(|item| {
            let topic = topic.clone();
            spawn(move || (topic.publish(item).unwrap().number(), item))
        });
        let read = [(); 2].map(|()| task.run(read(&mut events)).unwrap().unwrap());
        let read = read.map(|item| (item.cursor().number(), *item));
        let mut published = publishers.map(|thread| thread.join().unwrap());
        published.sort_unstable();
        // The order of the cursors is the one that is read.
        assert_eq!(published.map(|(number, _)| number), [1, 2]);
        assert_eq!(read, published);
        drop(events);
        assert!(task.is_forgotten());
        orders.note(published.map(|(_, item)| item));
    });
    seen.are([[10, 20], [20, 10]]);
}

#[test]
fn two_subscribers_that_wait_are_both_woken_3() {
    model_3(2, || {
        let topic = topic(9);
        let readers = [(); 2].map(|()| {
            let mut events = topic.subscribe(Replay::Now);
            spawn(move || {
                let task = Task::new();
                assert_eq!(task.all(&mut events), [Ok(1)]);
                task
            })
        });
        topic.publish(1).unwrap();
        topic.close(CloseReason::Completed);
        for reader in readers {
            assert!(reader.join().unwrap().is_forgotten());
        }
    });
}

#[test]
fn r27_accepted_then_closed_3() {
    let seen = Outcomes::new();
    let accepted = seen.clone();
    model_3(2, move || {
        let task = Task::new();
        let topic = topic(9);
        let mut events = topic.subscribe(Replay::Now);
        let reason = CloseReason::App(1);
        let closer = spawn({
            let topic = topic.clone();
            move || assert!(topic.close(reason))
        });
        let publisher = spawn({
            let topic = topic.clone();
            move || topic.publish(1)
        });
        let all = task.all(&mut events);
        closer.join().unwrap();
        let published = publisher.join().unwrap();
        match published {
            Ok(_) => assert_eq!(all, [Ok(1)]),
            Err(error) => {
                assert_eq!(error, PublishError::Closed(reason));
                assert_eq!(all, []);
            }
        }
        assert!(task.is_forgotten());
        accepted.note(published.is_ok());
    });
    seen.are([false, true]);
}
