//! R11: items are published while clients replay the backlog, go on live, vanish and come back.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use futures::StreamExt;
use futures::executor::block_on;
use hangup::topic::{Cursor, Replay, Retention, Topic};

use crate::rounds;

const PUBLISHERS: u64 = 2;
const READERS: u64 = 2;

/// Each reader subscribes so often, and gets every item once, in order.
#[test]
fn r11_publish_while_the_backlog_is_replayed() {
    let _alone = crate::alone();
    let subscriptions = rounds(50_000, 2_500_000);
    let topic = Topic::new(Retention::items(64));
    // A publisher is at most this far ahead of the readers: none of them has a gap.
    let read = [const { AtomicUsize::new(0) }; READERS as usize];
    let over = AtomicUsize::new(0);
    thread::scope(|threads| {
        for _ in 0..PUBLISHERS {
            threads.spawn(|| {
                while over.load(SeqCst) < read.len() {
                    let slowest = read.iter().map(|it| it.load(SeqCst)).min();
                    let slowest = slowest.expect("there are readers") as u64;
                    if topic.cursor().number() < slowest + 32 {
                        topic.publish(()).unwrap();
                    } else {
                        thread::yield_now();
                    }
                }
            });
        }
        for (reader, read) in read.iter().enumerate() {
            let (topic, over) = (&topic, &over);
            threads.spawn(move || {
                let mut last = Cursor::new(topic.cursor().incarnation(), 0);
                for round in 0..subscriptions {
                    let mut events = topic.subscribe(Replay::After(last));
                    // As many as a client reads until it vanishes.
                    for _ in 0..(round + reader) % 5 {
                        let item = block_on(events.next()).unwrap().expect("no gap");
                        assert_eq!(item.cursor().number(), last.number() + 1);
                        last = item.cursor();
                        read.store(usize::try_from(last.number()).unwrap(), SeqCst);
                    }
                }
                read.store(usize::MAX / 2, SeqCst);
                over.fetch_add(1, SeqCst);
            });
        }
    });
    assert_eq!(topic.subscribers(), 0);
}
