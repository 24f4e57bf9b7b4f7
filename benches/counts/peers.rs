//! The jobs of some rows of `counts` as the peers do them, for `ci/counts --peers`.
//!
//! In a binary of its own: what it hashes would change what is inlined beside it.

#[path = "../peers/careful.rs"]
mod careful;
#[path = "../peers/entry.rs"]
mod entry;
mod hashers;

use std::env;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::task::{Context, Poll, Waker};

use futures::stream::{self, BoxStream, StreamExt};
use tokio_util::sync::{CancellationToken, DropGuard};

use careful::Careful;
use entry::{Entry, Members};
use hashers::{FastHasher, Hasher};

/// Connections that a server has beside the counted ones.
pub(crate) const RESIDENTS: u64 = 1000;

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [row, times] => run(row, times.parse().expect("a number of times")),
        _ => panic!("usage: peer_counts NAME TIMES"),
    }
}

fn run(row: &str, times: u64) {
    let keys = RESIDENTS..RESIDENTS + times;
    match row {
        "lifecycle_bare" => {
            let root = CancellationToken::new();
            let _residents: Vec<_> = (0..RESIDENTS).map(|_| root.child_token()).collect();
            keys.for_each(|_| {
                let token = black_box(root.child_token());
                token.cancel();
                drop(token);
            });
        }
        "lifecycle_registry" => {
            let server = Server::<Hasher>::new();
            keys.for_each(|key| drop(black_box(server.connect(key))));
        }
        "lifecycle_registry_fast" => {
            let server = Server::<FastHasher>::new();
            keys.for_each(|key| drop(black_box(server.connect(key))));
        }
        "lifecycle_registry_vs_careful" => {
            let server = Careful::<Hasher>::new();
            keys.for_each(|key| drop(black_box(server.connect(key))));
        }
        // Each kept, and left as it is when the process ends.
        "opened" => {
            let root = CancellationToken::new();
            std::mem::forget(keys.map(|_| root.child_token()).collect::<Vec<_>>());
        }
        "get" => {
            let server = Server::<Hasher>::new();
            keys.for_each(|key| {
                let found = server.members.get(black_box(&(key % RESIDENTS)));
                assert!(black_box(found.map(|found| found.clone())).is_some());
            });
        }
        "ready" => {
            let (items, _handle) = stream::abortable(stream::iter(0..times));
            let mut items = items.boxed();
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(Some(item)) = items.poll_next_unpin(&mut cx) {
                black_box(item);
            }
        }
        "pending" => {
            let (items, _handle) = stream::abortable(stream::pending::<u64>());
            let mut items = items.boxed();
            let mut cx = Context::from_waker(Waker::noop());
            for _ in keys {
                assert!(black_box(items.poll_next_unpin(&mut cx)).is_pending());
            }
        }
        "asleep" => std::mem::forget(Asleep::new(keys)),
        "asleep_closed" => {
            let asleep = Asleep::new(keys.clone());
            asleep.server.root.cancel();
            for key in keys.chain(0..RESIDENTS) {
                asleep.server.members.remove(&key);
            }
            assert!(asleep.server.members.is_empty());
            std::mem::forget(asleep);
        }
        _ => panic!("no row is called {row}"),
    }
}

type Guards<S> = (Entry<u64, S>, DropGuard);

struct Server<S: BuildHasher + Clone> {
    root: CancellationToken,
    members: Members<u64, S>,
    residents: Vec<Guards<S>>,
}

impl<S: BuildHasher + Clone + Default> Server<S> {
    fn new() -> Self {
        let mut server = Self {
            root: CancellationToken::new(),
            members: Members::default(),
            residents: Vec::new(),
        };
        server.residents = (0..RESIDENTS).map(|key| server.connect(key)).collect();
        server
    }

    fn connect(&self, key: u64) -> Guards<S> {
        let token = self.root.child_token();
        let entry = Entry::insert(&self.members, key, &token);
        (entry, token.drop_guard())
    }
}

/// Streams that end with a token of the map, each of which has registered the waker of its
/// task.
struct Asleep {
    server: Server<Hasher>,
    _streams: Vec<(BoxStream<'static, ()>, Guards<Hasher>)>,
}

impl Asleep {
    fn new(keys: impl Iterator<Item = u64>) -> Self {
        let server = Server::<Hasher>::new();
        let streams = keys.map(|key| {
            let guards = server.connect(key);
            let token = server.members.get(&key).unwrap().clone();
            let stream = stream::pending().take_until(token.cancelled_owned());
            let mut stream = stream.boxed();
            let polled = stream.poll_next_unpin(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            (stream, guards)
        });
        let _streams = streams.collect();
        Self { server, _streams }
    }
}
