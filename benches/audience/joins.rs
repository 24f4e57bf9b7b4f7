//! Who subscribes, and to what: a task each, which does nothing but count.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use futures::StreamExt;
use hangup::topic::{Replay, Retention, Topic};
use tokio::runtime::Runtime;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::BroadcastStream;

use super::taken::take;

/// Spawns so many subscribers on the runtime, and returns what publishes to them.
pub type Join = fn(u64, &Runtime) -> Publish;

/// Publishes a number.
pub type Publish = Box<dyn FnMut(u64) + Send>;

/// What a channel holds, and a topic.
const KEPT: usize = 64;

/// Subscriptions of a topic.
pub fn topic(count: u64, runtime: &Runtime) -> Publish {
    let topic = Topic::new(Retention::items(KEPT));
    for _ in 0..count {
        let mut items = topic.subscribe(Replay::Now);
        runtime.spawn(async move {
            while let Some(Ok(item)) = items.next().await {
                take(*item);
            }
        });
    }
    Box::new(move |item| _ = topic.publish(item).unwrap())
}

/// Receivers of a broadcast channel.
pub fn broadcast_channel(count: u64, runtime: &Runtime) -> Publish {
    let sender = broadcast::Sender::new(KEPT);
    for _ in 0..count {
        let mut items = sender.subscribe();
        runtime.spawn(async move {
            while let Ok(item) = items.recv().await {
                take(item);
            }
        });
    }
    Box::new(move |item| _ = sender.send(item).unwrap())
}

/// The same as streams.
pub fn broadcast_stream(count: u64, runtime: &Runtime) -> Publish {
    let sender = broadcast::Sender::new(KEPT);
    for _ in 0..count {
        let mut items = BroadcastStream::new(sender.subscribe());
        runtime.spawn(async move {
            while let Some(Ok(item)) = items.next().await {
                take(item);
            }
        });
    }
    Box::new(move |item| _ = sender.send(item).unwrap())
}

/// A channel for each.
pub fn mpsc_each(count: u64, runtime: &Runtime) -> Publish {
    let senders: Vec<_> = (0..count)
        .map(|_| {
            let (sender, mut items) = mpsc::channel(KEPT);
            runtime.spawn(async move {
                while let Some(item) = items.recv().await {
                    take(item);
                }
            });
            sender
        })
        .collect();
    Box::new(move |item| {
        for sender in &senders {
            sender.try_send(item).unwrap();
        }
    })
}

/// The wake and the poll of a task that does nothing but count.
pub fn floor(count: u64, runtime: &Runtime) -> Publish {
    let wakers = Arc::new(Mutex::new(Vec::<Waker>::new()));
    for _ in 0..count {
        let wakers = Arc::clone(&wakers);
        let mut is_first = true;
        runtime.spawn(poll_fn(move |cx| {
            // The first poll of each task counts as its first item.
            if std::mem::take(&mut is_first) {
                wakers.lock().unwrap().push(cx.waker().clone());
            }
            take(0);
            Poll::<()>::Pending
        }));
    }
    Box::new(move |_| wakers.lock().unwrap().iter().for_each(Waker::wake_by_ref))
}
