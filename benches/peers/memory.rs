//! What an idle live connection holds, in bytes and in allocations.
//!
//! All that is behind one is counted by the allocator, as it was asked for: what the
//! allocator itself rounds up to comes on top.

mod entry;
mod row;

use std::env;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use allocation_counter::measure;
use futures::stream::{self, Stream, StreamExt};
use hangup::topic::{Replay, Retention, Topic};
use hangup::{Conflict, Registry, Scope};
use hangup_benches::audience::{Audience, broadcast_channel, mpsc_each, topic};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use entry::{Entry, Members};
use row::{Printer, Row};

/// Tables double, so what one takes depends on how many there are: a mean over all sizes
/// between two doublings does not.
const COUNTS: [u64; 8] = [8704, 9728, 10752, 11776, 12800, 13824, 14848, 15872];

/// `cargo test`, which only looks whether it runs.
const ONE_COUNT: [u64; 1] = [100];

/// What a channel of a subscriber holds, and a topic.
const SLOTS: usize = 64;

#[derive(Clone, Copy, Default)]
struct Cost {
    bytes: f64,
    allocations: f64,
}

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let counts: &[u64] = match arguments.iter().any(|it| it == "--bench") {
        true => &COUNTS,
        false => &ONE_COUNT,
    };
    let printer = Printer::asked_for(&arguments).unwrap_or(Printer::Table);
    let parts: Vec<_> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    let wanted = |row: &str| parts.is_empty() || parts.iter().any(|part| row.contains(*part));

    let pairs = [
        (
            "connection_alone",
            of_each(counts, in_scope),
            of_each(counts, with_token),
        ),
        (
            "connection",
            of_each(counts, in_one_registry),
            of_each(counts, in_one_map),
        ),
        (
            "connection_in_two",
            of_each(counts, in_two_registries),
            of_each(counts, in_two_maps),
        ),
        (
            "asleep",
            of_each(counts, asleep),
            of_each(counts, asleep_by_token),
        ),
        (
            "asleep_registry",
            of_each(counts, asleep_in_registry),
            of_each(counts, asleep_in_map),
        ),
        (
            "subscriber",
            of_each(counts, subscribers),
            of_each(counts, receivers),
        ),
        (
            "subscriber_vs_mpsc",
            of_each(counts, subscribers),
            of_each(counts, queues),
        ),
        (
            "subscriber_task",
            of_each(counts, |count| Audience::new(count, topic)),
            of_each(counts, |count| Audience::new(count, broadcast_channel)),
        ),
        (
            "subscriber_task_vs_mpsc",
            of_each(counts, |count| Audience::new(count, topic)),
            of_each(counts, |count| Audience::new(count, mpsc_each)),
        ),
    ];
    let print_each = |unit: &str, read: fn(Cost) -> f64| {
        let rows = pairs.iter().map(|&(what, ours, peer)| Row {
            name: match what.starts_with("asleep") {
                true => format!("{unit}_{what}"),
                false => format!("{unit}_per_{what}"),
            },
            ours: read(ours),
            peer: read(peer),
            ratio: read(ours) / read(peer),
        });
        let mut rows = rows.filter(|row| wanted(&row.name)).peekable();
        if rows.peek().is_some() {
            printer.print_header(unit);
        }
        rows.for_each(|row| printer.print(&row));
    };
    print_each("bytes", |cost| cost.bytes);
    print_each("allocations", |cost| cost.allocations);
}

/// The mean cost of one among so many. `crowd` makes them, given their number, and returns
/// what they are in as well: a root that is gone would let go of its children.
fn of_each<T>(counts: &[u64], crowd: impl Fn(u64) -> T) -> Cost {
    let mut mean = Cost::default();
    for &count in counts {
        let mut kept = None;
        let info = measure(|| kept = Some(crowd(count)));
        let times = count as f64 * counts.len() as f64;
        mean.bytes += info.bytes_current as f64 / times;
        mean.allocations += info.count_current as f64 / times;
    }
    mean
}

/// So many connections, in a list with no room to spare.
fn list<T>(count: u64, connect: impl FnMut(u64) -> T) -> Vec<T> {
    (0..count).map(connect).collect()
}

fn in_scope(count: u64) -> impl Sized {
    let scope = Scope::new();
    let connections = list(count, |_| {
        scope.open().unwrap().register().unwrap().go_live().unwrap()
    });
    (scope, connections)
}

fn in_one_registry(count: u64) -> impl Sized {
    let (scope, registry) = (Scope::new(), Registry::new(Conflict::Replace));
    let connections = list(count, |key| {
        let mut setup = scope.open().unwrap().register().unwrap();
        setup.join(&registry, key, ()).unwrap();
        setup.go_live().unwrap()
    });
    ((scope, registry), connections)
}

fn in_two_registries(count: u64) -> impl Sized {
    let scope = Scope::new();
    let registries = [Conflict::Replace; 2].map(Registry::new);
    let connections = list(count, |key| {
        let mut setup = scope.open().unwrap().register().unwrap();
        for registry in &registries {
            setup.join(registry, key, ()).unwrap();
        }
        setup.go_live().unwrap()
    });
    ((scope, registries), connections)
}

/// A future that waits, in a box of its own as a task is.
fn waits<F: Future<Output = ()> + 'static>(future: F) -> Pin<Box<dyn Future<Output = ()>>> {
    let mut boxed: Pin<Box<dyn Future<Output = ()>>> = Box::pin(future);
    let polled = boxed.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    boxed
}

fn subscribers(count: u64) -> impl Sized {
    let topic = Topic::<u64>::new(Retention::items(SLOTS));
    let waiting = list(count, |_| {
        let mut items = topic.subscribe(Replay::Now);
        waits(async move { while items.next().await.is_some() {} })
    });
    (topic, waiting)
}

fn receivers(count: u64) -> impl Sized {
    let sender = broadcast::Sender::<u64>::new(SLOTS);
    let waiting = list(count, |_| {
        let mut items = sender.subscribe();
        waits(async move { while items.recv().await.is_ok() {} })
    });
    (sender, waiting)
}

fn queues(count: u64) -> impl Sized {
    list(count, |_| {
        let (sender, mut items) = mpsc::channel::<u64>(SLOTS);
        let waiting = waits(async move { while items.recv().await.is_some() {} });
        (sender, waiting)
    })
}

/// A stream whose task sleeps, so that it has registered a waker, where it stays.
type Asleep = Pin<Box<dyn Stream<Item = ()>>>;

fn sleep(stream: impl Stream<Item = ()> + 'static) -> Asleep {
    let mut stream: Asleep = Box::pin(stream);
    let polled = stream
        .as_mut()
        .poll_next(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    stream
}

fn asleep(count: u64) -> impl Sized {
    let scope = Scope::new();
    let streams = list(count, |_| {
        sleep(scope.live().unwrap().stream(stream::pending()))
    });
    (scope, streams)
}

fn asleep_in_registry(count: u64) -> impl Sized {
    let (scope, registry) = (Scope::new(), Registry::new(Conflict::Replace));
    let streams = list(count, |key| {
        let mut setup = scope.open().unwrap().register().unwrap();
        setup.join(&registry, key, ()).unwrap();
        sleep(setup.go_live().unwrap().stream(stream::pending()))
    });
    ((scope, registry), streams)
}

fn ending_with(token: &CancellationToken) -> Asleep {
    sleep(stream::pending().take_until(token.clone().cancelled_owned()))
}

fn asleep_by_token(count: u64) -> impl Sized {
    let root = CancellationToken::new();
    let streams = list(count, |_| {
        let token = root.child_token();
        (ending_with(&token), token.drop_guard())
    });
    (root, streams)
}

fn asleep_in_map(count: u64) -> impl Sized {
    let (root, members) = (CancellationToken::new(), Members::<u64>::default());
    let streams = list(count, |key| {
        let token = root.child_token();
        let entry = Entry::insert(&members, key, &token);
        (ending_with(&token), entry, token.drop_guard())
    });
    ((root, members), streams)
}

fn with_token(count: u64) -> impl Sized {
    let root = CancellationToken::new();
    let connections = list(count, |_| root.child_token().drop_guard());
    (root, connections)
}

fn in_one_map(count: u64) -> impl Sized {
    let (root, members) = (CancellationToken::new(), Members::<u64>::default());
    let connections = list(count, |key| {
        let token = root.child_token();
        (Entry::insert(&members, key, &token), token.drop_guard())
    });
    ((root, members), connections)
}

fn in_two_maps(count: u64) -> impl Sized {
    let root = CancellationToken::new();
    let maps = [Members::<u64>::default(), Members::default()];
    let connections = list(count, |key| {
        let token = root.child_token();
        let entries = maps
            .each_ref()
            .map(|members| Entry::insert(members, key, &token));
        (entries, token.drop_guard())
    });
    ((root, maps), connections)
}
