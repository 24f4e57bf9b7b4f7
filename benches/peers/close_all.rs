//! A shutdown: every connection closed, its task woken, its place in the registry gone.
//!
//! What has to be freed then, the streams and the tokens, is not part of it on either side.

use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use futures::stream::{self, Stream, StreamExt};
use hangup::{CloseReason, Live};

use crate::contest::Contest;
use crate::pairs::Pace;
use crate::servers::{ByHand, OnHangup};
use crate::side::{Run, Side};

/// `largest` is less than a million where a look is enough.
pub(crate) fn contests(largest: u64) -> Vec<Contest> {
    let size = |size: u64| size.min(largest);
    let crowd_of =
        |name, connect, crowd| Side::new(name, close_all(connect, size(crowd))).of(size(crowd));
    let ours = |name, crowd| crowd_of(name, in_registry, crowd);
    let alone = |name, crowd| crowd_of(name, in_scope, crowd);
    let peer = |crowd| Side::new("token and DashMap", cancel_all(size(crowd))).of(size(crowd));
    let contest = |name, crowd| Contest::new(name, ours("hangup", crowd));
    vec![
        contest("close 1k", 1_000).against("close_all_1k", peer(1_000)),
        contest("close 10k", 10_000).against("close_all_10k", peer(10_000)),
        contest("close 100k", 100_000)
            .against("close_all_100k", peer(100_000))
            .at(Pace::CROWD),
        contest("close 1M", 1_000_000)
            // What a connection costs more among more of them.
            .against("close_scale", ours("hangup, 10k", 10_000))
            .beside(peer(1_000_000))
            .at(Pace::CROWD),
        Contest::new("close 1M in no registry", alone("hangup", 1_000_000))
            .against("close_scale_alone", alone("hangup, 10k", 10_000))
            .at(Pace::CROWD),
    ]
}

type Connect = fn(&OnHangup<u64>, u64) -> Live;

fn in_registry(server: &OnHangup<u64>, key: u64) -> Live {
    server.connect(key)
}

fn in_scope(server: &OnHangup<u64>, _: u64) -> Live {
    let pending = server.scope.open().unwrap();
    pending.register().unwrap().go_live().unwrap()
}

/// Counts those that are woken: what there is to do for it is the same for all.
#[derive(Default)]
struct Task {
    woken: AtomicUsize,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: Relaxed, because there is one thread.
        self.woken.fetch_add(1, Ordering::Relaxed);
    }
}

/// A stream that is where it stays when its task sleeps: behind a pointer, with the waker
/// registered.
fn asleep<S: Stream>(stream: S, waker: &Waker) -> Pin<Box<S>> {
    let mut stream = Box::pin(stream);
    let polled = stream.as_mut().poll_next(&mut Context::from_waker(waker));
    assert!(polled.is_pending());
    stream
}

fn close_all(connect: Connect, crowd: u64) -> Run {
    Box::new(move |times| (0..times).map(|_| close_once(connect, crowd)).sum())
}

fn close_once(connect: Connect, crowd: u64) -> Duration {
    let server = OnHangup::empty();
    let task = Arc::new(Task::default());
    let waker = Waker::from(Arc::clone(&task));
    let connections = (0..crowd).map(|key| {
        let live = connect(&server, key);
        asleep(live.stream(stream::pending::<()>()), &waker)
    });
    let connections: Vec<_> = connections.collect();

    let begun = Instant::now();
    black_box(&server.scope).close_all(CloseReason::Shutdown);
    let took = begun.elapsed();

    assert_eq!(task.woken.load(Ordering::Relaxed) as u64, crowd);
    assert!(server.registry.is_empty());
    drop(connections);
    took
}

fn cancel_all(crowd: u64) -> Run {
    Box::new(move |times| (0..times).map(|_| cancel_once(crowd)).sum())
}

fn cancel_once(crowd: u64) -> Duration {
    let server = ByHand::empty();
    let task = Arc::new(Task::default());
    let waker = Waker::from(Arc::clone(&task));
    let connections = (0..crowd).map(|key| {
        let (entry, guard) = server.connect(key);
        let token = server.members.get(&key).unwrap().clone();
        let stream = stream::pending::<()>().take_until(token.cancelled_owned());
        (asleep(stream, &waker), entry, guard)
    });
    let connections: Vec<_> = connections.collect();

    let begun = Instant::now();
    black_box(&server.root).cancel();
    for key in 0..crowd {
        // What the guard of each does when its task, being awake, drops it. The rest of that
        // comes later, as it does for ours.
        server.members.remove(&key);
    }
    let took = begun.elapsed();

    assert_eq!(task.woken.load(Ordering::Relaxed) as u64, crowd);
    assert!(server.members.is_empty());
    drop(connections);
    took
}
