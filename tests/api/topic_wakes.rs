//! Whom a topic wakes, on which thread, and what wakers and items may do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures::StreamExt;
use hangup::runtime::{BoxFuture, Runtime};
use hangup::topic::{Replay, Retention, Subscription, Topic};
use tokio_test::task;
use tokio_test::{assert_pending, assert_ready};

use crate::support::tasks::Tasks;

/// A waker that does this when it wakes, and counts how often.
struct Does<F>(AtomicUsize, F);

impl<F: Fn() + Send + Sync + 'static> Wake for Does<F> {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        (self.1)();
    }
}

fn does<F: Fn() + Send + Sync + 'static>(act: F) -> (Arc<Does<F>>, Waker) {
    let does = Arc::new(Does(AtomicUsize::new(0), act));
    (Arc::clone(&does), does.into())
}

fn wait<T>(subscription: &mut Subscription<T>, waker: &Waker) {
    let polled = subscription.poll_next_unpin(&mut Context::from_waker(waker));
    assert!(polled.is_pending());
}

#[test]
fn a_task_that_moves_is_woken_where_it_is() {
    let topic = Topic::new(Retention::items(9));
    let mut moves = topic.subscribe(Replay::Now);
    let (first, first_waker) = does(|| {});
    let (second, second_waker) = does(|| {});
    wait(&mut moves, &first_waker);
    wait(&mut moves, &second_waker);
    topic.publish(1).unwrap();
    let woken = || [&first.0, &second.0].map(|it| it.load(Ordering::Relaxed));
    assert_eq!(woken(), [0, 1]);
    // Also right after it took an item elsewhere.
    let mut context = Context::from_waker(&first_waker);
    assert!(moves.poll_next_unpin(&mut context).is_ready());
    wait(&mut moves, &second_waker);
    topic.publish(2).unwrap();
    assert_eq!(woken(), [0, 2]);
    // The waker of the place that it has left is let go of.
    drop(first_waker);
    assert_eq!(Arc::strong_count(&first), 1);
    drop((moves, second_waker));
    assert_eq!(Arc::strong_count(&second), 1);
}

/// A topic lists few kinds of wakers, and wakes all of them.
#[test]
fn a_waker_of_any_kind_is_woken() {
    let topic = Topic::new(Retention::items(9));
    // Each closure is a type, and each type of a waker is a kind.
    let wakers = [
        does(|| {}).1,
        does(|| ()).1,
        does(|| drop(String::from("0"))).1,
        does(|| drop(String::from("1"))).1,
        does(|| drop(String::from("2"))).1,
        does(|| drop(String::from("3"))).1,
    ];
    let mut waiting = [(); 6].map(|()| topic.subscribe(Replay::Now));
    for item in 1..=3 {
        for (subscription, waker) in waiting.iter_mut().zip(&wakers) {
            wait(subscription, waker);
            wait(subscription, waker);
        }
        topic.publish(item).unwrap();
        for (subscription, waker) in waiting.iter_mut().zip(&wakers) {
            let polled = subscription.poll_next_unpin(&mut Context::from_waker(waker));
            assert!(matches!(polled, Poll::Ready(Some(Ok(it))) if *it == item));
        }
    }
    // As often as it waited, whichever kind it is.
    let (counts, counted) = does(|| drop(String::from("4")));
    wait(&mut waiting[0], &counted);
    topic.publish(4).unwrap();
    assert_eq!(counts.0.load(Ordering::Relaxed), 1);
}

#[test]
fn a_waker_that_panics_costs_no_other_its_turn() {
    let topic = Topic::new(Retention::items(9));
    // More than a chunk of them, and a bomb at each end.
    let mut tasks: Vec<_> = (0..150)
        .map(|_| task::spawn(topic.subscribe(Replay::Now)))
        .collect();
    let (bomb, waker) = does(|| panic!("in a waker"));
    let mut bombs = Vec::new();
    for task in &mut tasks[..75] {
        assert_pending!(task.poll_next());
    }
    for _ in 0..3 {
        let mut subscription = topic.subscribe(Replay::Now);
        wait(&mut subscription, &waker);
        bombs.push(subscription);
    }
    for task in &mut tasks[75..] {
        assert_pending!(task.poll_next());
    }
    topic.publish(1).unwrap();
    assert_eq!(bomb.0.load(Ordering::Relaxed), 3);
    assert!(tasks.iter().all(task::Spawn::is_woken));
}

#[test]
fn a_waker_may_publish_subscribe_and_drop_a_subscription() {
    let topic = Topic::new(Retention::items(9));
    let kept = Arc::new(OnceLock::new());
    let (publisher, waker) = does({
        let (topic, kept) = (topic.clone(), Arc::clone(&kept));
        move || {
            drop(topic.subscribe(Replay::All));
            // Only once, since it would wake itself for ever.
            if kept.set(()).is_ok() {
                topic.publish(2).unwrap();
            }
        }
    });
    let mut first = topic.subscribe(Replay::Now);
    wait(&mut first, &waker);
    let mut later = task::spawn(topic.subscribe(Replay::Now));
    assert_pending!(later.poll_next());
    topic.publish(1).unwrap();
    assert_eq!(publisher.0.load(Ordering::Relaxed), 1);
    // The walk that was under way wakes for the second item as well.
    for item in [1, 2] {
        assert_eq!(*assert_ready!(later.poll_next()).unwrap().unwrap(), item);
    }
    assert_eq!(topic.subscribers(), 2);
}

#[test]
fn an_item_may_use_the_topic_when_it_is_dropped() {
    struct Speaks(Topic<Option<Self>>);

    impl Drop for Speaks {
        fn drop(&mut self) {
            self.0.publish(None).unwrap();
        }
    }

    let topic = Topic::new(Retention::items(1));
    topic.publish(Some(Speaks(topic.clone()))).unwrap();
    // It evicts the one that speaks.
    topic.publish(None).unwrap();
    assert_eq!((topic.cursor().number(), topic.len()), (3, 1));
}

#[test]
fn a_reader_that_is_stuck_delays_none() {
    let topic = Topic::new(Retention::items(4));
    let mut stuck = task::spawn(topic.subscribe(Replay::Now));
    assert_pending!(stuck.poll_next());
    let mut quick = task::spawn(topic.subscribe(Replay::Now));
    for item in 0..100 {
        topic.publish(item).unwrap();
        assert_eq!(*assert_ready!(quick.poll_next()).unwrap().unwrap(), item);
    }
    assert_eq!(topic.len(), 4);
}

/// A runtime whose tasks the test has.
struct Kept(Tasks);

impl Runtime for Kept {
    fn spawn(&self, task: BoxFuture<()>) {
        self.0.spawn()(task);
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<()> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_publisher_wakes_no_more_than_it_chose_and_the_runtime_wakes_the_others() {
    let tasks = Tasks::default();
    let topic = Topic::builder(Retention::items(9))
        .runtime(Kept(tasks.clone()))
        .max_inline_wakes(64)
        .build()
        .unwrap();
    let mut readers: Vec<_> = (0..3000)
        .map(|_| task::spawn(topic.subscribe(Replay::Now)))
        .collect();
    readers
        .iter_mut()
        .for_each(|reader| assert_pending!(reader.poll_next()));
    topic.publish(1).unwrap();
    // Those who publish now leave it to the task.
    topic.publish(2).unwrap();
    let woken = |readers: &[task::Spawn<Subscription<i32>>]| {
        readers.iter().filter(|reader| reader.is_woken()).count()
    };
    assert_eq!(woken(&readers), 64);
    let mut task = task::spawn(tasks.take().expect("it was handed over"));
    // It gives way in between.
    assert_pending!(task.poll());
    assert!(task.is_woken() && woken(&readers) < 3000);
    while task.poll().is_pending() {}
    assert_eq!(woken(&readers), 3000);
    assert!(tasks.take().is_none());
    // A runtime that drops its task has woken all the same.
    for reader in &mut readers {
        while reader.poll_next().is_ready() {}
    }
    topic.publish(3).unwrap();
    drop(tasks.take().expect("it was handed over"));
    assert_eq!(woken(&readers), 3000);
}

#[test]
fn nothing_is_left_of_those_who_have_gone() {
    let topic = Topic::new(Retention::items(1));
    let item = Arc::new(());
    let (none, waker) = does(|| {});
    let mut crowd: Vec<_> = (0..1000).map(|_| topic.subscribe(Replay::Now)).collect();
    crowd.iter_mut().for_each(|it| wait(it, &waker));
    assert_eq!(Arc::strong_count(&none), 1002);
    topic.publish(Arc::clone(&item)).unwrap();
    drop(crowd);
    drop(waker);
    assert_eq!(Arc::strong_count(&none), 1);
    assert_eq!(topic.subscribers(), 0);
    drop(topic);
    assert_eq!(Arc::strong_count(&item), 1);
}
