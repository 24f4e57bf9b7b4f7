//! What wakers do, and wakes that are handed over to a runtime.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use hangup::CloseReason;
use hangup::runtime::{BoxFuture, Runtime};
use hangup::topic::{Replay, Retention, Subscription, Topic};
use loom::future::block_on;
use loom::thread::{JoinHandle, spawn};

use super::{Outcomes, Task, poll, publish_all, topic, wait};
use crate::model::{Woken, model, model_3};

type Act = Mutex<Option<Box<dyn FnOnce() + Send>>>;

/// A waker that acts once, when it is woken or dropped.
struct Acts {
    when_woken: Act,
    when_dropped: Act,
}

impl Acts {
    fn waker(when_woken: Act, when_dropped: Act) -> Waker {
        Waker::from(Arc::new(Self {
            when_woken,
            when_dropped,
        }))
    }
}

fn nothing() -> Act {
    Mutex::new(None)
}

fn once(act: impl FnOnce() + Send + 'static) -> Act {
    Mutex::new(Some(Box::new(act)))
}

/// With no lock held: the act may meet this waker again.
fn act(act: &Act) {
    let act = act.lock().unwrap().take();
    act.into_iter().for_each(|act| act());
}

impl Wake for Acts {
    fn wake(self: Arc<Self>) {
        act(&self.when_woken);
    }
}

impl Drop for Acts {
    fn drop(&mut self) {
        act(&self.when_dropped);
    }
}

fn publish(topic: &Topic<u64>, item: u64) -> impl FnOnce() + Send + use<> {
    let topic = topic.clone();
    move || _ = topic.publish(item).unwrap()
}

/// What is published by a waker comes after what has woken it, and wakes others.
#[test]
fn a_waker_may_publish() {
    model(|| {
        let topic = topic(9);
        let mut events = topic.subscribe(Replay::Now);
        let waker = Acts::waker(once(publish(&topic, 2)), nothing());
        wait(&mut events, &waker);
        let mut others = topic.subscribe(Replay::Now);
        let reader = spawn(move || {
            let task = Task::new();
            let read = [(); 2].map(|()| task.next(&mut others));
            (read, others, task)
        });
        let publisher = spawn(publish(&topic, 1));
        let (read, others, task) = reader.join().unwrap();
        publisher.join().unwrap();
        assert_eq!(read, [Some(Ok(1)), Some(Ok(2))]);
        drop((others, waker));
        assert!(task.is_forgotten());
        let task = Task::new();
        assert_eq!([(); 2].map(|()| task.next(&mut events)), read);
    });
}

/// A subscription that is dropped, or goes to another task, lets go of its waker while it is
/// woken: whichever thread drops it holds no lock, and may be the one that wakes.
#[test]
fn a_waker_may_publish_when_it_is_dropped_3() {
    for moves in [false, true] {
        let seen = Outcomes::new();
        let orders = seen.clone();
        model_3(2, move || {
            let topic = topic(9);
            let mut events = topic.subscribe(Replay::Now);
            let waker = Acts::waker(nothing(), once(publish(&topic, 2)));
            wait(&mut events, &waker);
            drop(waker);
            let mut others = topic.subscribe(Replay::Now);
            let owner = spawn(move || {
                if moves {
                    let _ = poll(&mut events, Waker::noop());
                }
                drop(events);
            });
            let publisher = spawn(publish(&topic, 1));
            let task = Task::new();
            let read = [(); 2].map(|()| task.next(&mut others).unwrap().unwrap());
            owner.join().unwrap();
            publisher.join().unwrap();
            drop(others);
            assert!(task.is_forgotten());
            orders.note(read);
        });
        seen.are([[1, 2], [2, 1]]);
    }
}

/// A waker drops the subscription that it wakes.
#[test]
fn a_waker_may_drop_its_subscription() {
    model(|| {
        let topic = topic(9);
        let mut events = topic.subscribe(Replay::Now);
        let own: Arc<Mutex<Option<Subscription<u64>>>> = Arc::default();
        let waker = Acts::waker(
            once({
                let own = Arc::clone(&own);
                move || {
                    let own = own.lock().unwrap().take();
                    drop(own);
                }
            }),
            nothing(),
        );
        wait(&mut events, &waker);
        *own.lock().unwrap() = Some(events);
        let mut others = topic.subscribe(Replay::Now);
        let reader = spawn(move || {
            let task = Task::new();
            (task.all(&mut others), task)
        });
        let publisher = spawn({
            let topic = topic.clone();
            move || publish_all(&topic, 2)
        });
        let (read, task) = reader.join().unwrap();
        publisher.join().unwrap();
        assert_eq!(read, [Ok(1), Ok(2)]);
        assert_eq!(topic.subscribers(), 0);
        assert!(task.is_forgotten());
    });
}

/// What a runtime does with a task that it is given.
type Fate = fn(BoxFuture<()>);

/// Deals with each task on a thread of its own.
struct Elsewhere {
    fate: Fate,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Runtime for Elsewhere {
    fn spawn(&self, task: BoxFuture<()>) {
        let fate = self.fate;
        let thread = spawn(move || fate(task));
        self.threads.lock().unwrap().push(thread);
    }

    fn now(&self) -> Instant {
        unreachable!("no lane limits ages")
    }

    fn sleep(&self, _: Duration) -> BoxFuture<()> {
        Box::pin(pending())
    }
}

/// Deals with each task at once.
struct Here(Fate);

impl Runtime for Here {
    fn spawn(&self, task: BoxFuture<()>) {
        (self.0)(task);
    }

    fn now(&self) -> Instant {
        unreachable!("no lane limits ages")
    }

    fn sleep(&self, _: Duration) -> BoxFuture<()> {
        Box::pin(pending())
    }
}

const FATES: [Fate; 2] = [drop, block_on];

fn hands_over(runtime: impl Runtime + 'static) -> Topic<u64> {
    let topic = Topic::builder(Retention::items(9)).runtime(runtime);
    // One chunk, which the publisher wakes itself. Later wakes are left to the task.
    topic.max_inline_wakes(1).build().unwrap()
}

#[test]
fn what_a_runtime_drops_wakes_at_once() {
    for fate in FATES {
        model(move || {
            let topic = hands_over(Here(fate));
            let mut events = topic.subscribe(Replay::Now);
            let reader = spawn(move || {
                let task = Task::new();
                (task.all(&mut events), task)
            });
            let publisher = spawn({
                let topic = topic.clone();
                move || publish_all(&topic, 2)
            });
            let (read, task) = reader.join().unwrap();
            publisher.join().unwrap();
            assert_eq!(read, [Ok(1), Ok(2)]);
            assert!(task.is_forgotten());
        });
    }
}

/// A publisher that comes while a task is to wake only appends: the task, or its drop, wakes for
/// its item as well.
#[test]
fn what_a_runtime_drops_elsewhere_wakes_3() {
    for fate in FATES {
        let seen = Outcomes::new();
        let tasks = seen.clone();
        model_3(2, move || {
            let task = Task::new();
            let threads = Arc::default();
            let topic = hands_over(Elsewhere {
                fate,
                threads: Arc::clone(&threads),
            });
            let [mut events, mut other] = [(); 2].map(|()| topic.subscribe(Replay::Now));
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            wait(&mut events, &task.waker());
            wait(&mut other, &waker);
            topic.publish(1).unwrap();
            let publisher = spawn(publish(&topic, 2));
            let read = [(); 2].map(|()| task.next(&mut events));
            assert_eq!(read, [Some(Ok(1)), Some(Ok(2))]);
            while poll(&mut other, &waker).is_ready() {}
            // The task and the publisher may both be about to wake.
            let count = woken.count();
            topic.publish(3).unwrap();
            publisher.join().unwrap();
            let threads = std::mem::take(&mut *threads.lock().unwrap());
            tasks.note(threads.len());
            for thread in threads {
                thread.join().unwrap();
            }
            assert!(woken.count() > count);
            drop((events, other, waker));
            assert!(task.is_forgotten() && Arc::strong_count(&woken) == 1);
            topic.close(CloseReason::Completed);
        });
        seen.are([1, 2, 3]);
    }
}
