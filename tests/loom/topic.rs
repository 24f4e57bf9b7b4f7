//! Publishing against all that a subscriber does.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;
use hangup::CloseReason;
use hangup::topic::{Cursor, PublishError, Replay, Retention, Subscription, Topic};
use loom::sync::Notify;
use loom::thread::spawn;

use crate::model::{Woken, model, model_3};

fn topic(items: usize) -> Topic<u64> {
    Topic::new(Retention::items(items))
}

/// An item, or the number of the last one that is lost.
type Read = Result<u64, u64>;

async fn read(events: &mut Subscription<u64>) -> Option<Read> {
    let next = poll_fn(|cx| Pin::new(&mut *events).poll_next(cx)).await?;
    Some(next.map(|item| *item).map_err(|gap| gap.to.number()))
}

/// The waker of a thread that waits: the same one in every poll, as that of a task is, so that
/// a subscription does not look into the log unless it has to.
struct Parked(Notify);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.notify();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let parked = Arc::new(Parked(Notify::new()));
    let waker = Waker::from(Arc::clone(&parked));
    assert!(waker.clone().will_wake(&waker));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => parked.0.wait(),
        }
    }
}

fn next(events: &mut Subscription<u64>) -> Option<Read> {
    block_on(read(events))
}

/// All items up to the end, read by one task.
fn all(events: &mut Subscription<u64>) -> Vec<Read> {
    block_on(async {
        let mut all = Vec::new();
        while let Some(item) = read(events).await {
            all.push(item);
        }
        all
    })
}

fn wait(events: &mut Subscription<u64>, waker: &Waker) {
    let polled = Pin::new(events).poll_next(&mut Context::from_waker(waker));
    assert!(polled.is_pending());
}

#[test]
fn a_reader_gets_each_item_once_and_in_order() {
    model(|| {
        let topic = topic(9);
        let mut events = topic.subscribe(Replay::Now);
        let publisher = spawn(move || {
            topic.publish(1).unwrap();
            topic.publish(2).unwrap();
        });
        // The end, since the last clone is dropped.
        assert_eq!(all(&mut events), [Ok(1), Ok(2)]);
        publisher.join().unwrap();
    });
}

#[test]
fn r11_publish_while_the_backlog_is_replayed() {
    for replay in [Replay::All, Replay::Now] {
        model(move || {
            let topic = topic(9);
            let publisher = spawn({
                let topic = topic.clone();
                move || _ = topic.publish(1).unwrap()
            });
            let mut events = topic.subscribe(replay);
            let begin = events.cursor().number();
            let second = spawn(move || {
                publisher.join().unwrap();
                topic.publish(2).unwrap();
            });
            let all = all(&mut events);
            match (replay, begin) {
                (Replay::Now, 1) => assert_eq!(all, [Ok(2)]),
                _ => assert_eq!(all, [Ok(1), Ok(2)]),
            }
            second.join().unwrap();
        });
    }
}

#[test]
fn two_publishers_wake_for_both_items_3() {
    model_3(2, || {
        let topic = topic(9);
        let mut events = topic.subscribe(Replay::Now);
        let publishers = [10, 20].map(|item| {
            let topic = topic.clone();
            spawn(move || (topic.publish(item).unwrap().number(), item))
        });
        drop(topic);
        let read = all(&mut events);
        let mut published = publishers.map(|thread| thread.join().unwrap());
        published.sort_unstable();
        // The order of the cursors is the one that is read.
        assert_eq!(published.map(|(number, _)| number), [1, 2]);
        assert_eq!(read, published.map(|(_, item)| Ok(item)));
    });
}

#[test]
fn a_subscription_is_dropped_while_it_is_woken() {
    model(|| {
        let topic = topic(9);
        let mut events = topic.subscribe(Replay::Now);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        wait(&mut events, &waker);
        drop(waker);
        let publisher = spawn({
            let topic = topic.clone();
            move || _ = topic.publish(1).unwrap()
        });
        drop(events);
        publisher.join().unwrap();
        assert_eq!(topic.subscribers(), 0);
        // Its waker is gone, from wherever it was.
        assert_eq!(Arc::strong_count(&woken), 1);
    });
}

#[test]
fn a_slot_that_is_given_back_wakes_its_next_owner() {
    model(|| {
        let topic = topic(9);
        let mut first = topic.subscribe(Replay::Now);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        wait(&mut first, &waker);
        drop(waker);
        let publisher = spawn({
            let topic = topic.clone();
            move || {
                topic.publish(1).unwrap();
                topic.publish(2).unwrap();
            }
        });
        drop(first);
        let mut second = topic.subscribe(Replay::Now);
        while second.cursor().number() < 2 {
            let number = second.cursor().number();
            assert_eq!(next(&mut second), Some(Ok(number + 1)));
        }
        publisher.join().unwrap();
        assert_eq!(Arc::strong_count(&woken), 1);
    });
}

#[test]
fn a_task_that_moves_is_woken_where_it_is() {
    model(|| {
        let topic = topic(9);
        let mut events = topic.subscribe(Replay::Now);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        wait(&mut events, &waker);
        drop(waker);
        let publisher = spawn(move || {
            topic.publish(1).unwrap();
            topic.publish(2).unwrap();
        });
        // Both with the waker of this `block_on` alone.
        assert_eq!(next(&mut events), Some(Ok(1)));
        assert_eq!(next(&mut events), Some(Ok(2)));
        publisher.join().unwrap();
        drop(events);
        assert_eq!(Arc::strong_count(&woken), 1);
    });
}

#[test]
fn what_is_evicted_is_told() {
    model(|| {
        let topic = topic(1);
        let mut events = topic.subscribe(Replay::Now);
        let publisher = spawn(move || {
            topic.publish(1).unwrap();
            topic.publish(2).unwrap();
        });
        let all = all(&mut events);
        assert!(all == [Ok(1), Ok(2)] || all == [Err(1), Ok(2)], "{all:?}");
        publisher.join().unwrap();
    });
}

#[test]
fn r27_accepted_then_closed_3() {
    model_3(2, || {
        let topic = topic(9);
        let mut events = topic.subscribe(Replay::Now);
        let reason = CloseReason::App(1);
        let closer = spawn({
            let topic = topic.clone();
            move || assert!(topic.close(reason))
        });
        let publisher = spawn(move || topic.publish(1));
        let all = all(&mut events);
        closer.join().unwrap();
        match publisher.join().unwrap() {
            Ok(_) => assert_eq!(all, [Ok(1)]),
            Err(error) => {
                assert_eq!(error, PublishError::Closed(reason));
                assert_eq!(all, []);
            }
        }
    });
}

#[test]
fn a_reset_is_told() {
    model(|| {
        let topic = topic(9);
        let mut events = topic.subscribe(Replay::Now);
        let resetter = spawn(move || {
            topic.publish(1).unwrap();
            topic.reset(Cursor::new(7, 100)).unwrap();
            topic.publish(2).unwrap();
        });
        let all = all(&mut events);
        let told = [Err(100), Ok(2)];
        assert!(all == told || all == [Ok(1), told[0], told[1]], "{all:?}");
        resetter.join().unwrap();
    });
}

#[test]
fn two_subscribers_that_wait_are_both_woken_3() {
    model_3(2, || {
        let topic = topic(9);
        let readers = [(); 2].map(|()| {
            let mut events = topic.subscribe(Replay::Now);
            spawn(move || {
                let all = all(&mut events);
                assert_eq!(all, [Ok(1)]);
            })
        });
        topic.publish(1).unwrap();
        drop(topic);
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

#[test]
fn a_poll_that_was_not_woken_misses_nothing() {
    model(|| {
        let topic = topic(9);
        let mut events = topic.subscribe(Replay::Now);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let publisher = spawn({
            let topic = topic.clone();
            move || _ = topic.publish(1).unwrap()
        });
        // As often as it likes, and each time it may wait anew.
        let mut read = 0;
        for _ in 0..2 {
            let polled = Pin::new(&mut events).poll_next(&mut Context::from_waker(&waker));
            read += u64::from(matches!(polled, Poll::Ready(Some(Ok(_)))));
        }
        publisher.join().unwrap();
        if read == 0 {
            assert_eq!(woken.count(), 1);
            assert_eq!(next(&mut events), Some(Ok(1)));
        }
    });
}
