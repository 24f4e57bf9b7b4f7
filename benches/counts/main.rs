//! One thing that a server does, so many times over, for `ci/counts` to count its instructions.
//!
//! `counts NAME TIMES` does it. What each row is, and what it is compared with, is in
//! `benches/README.md`.

mod hashers;

use std::env;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures::Stream;
use futures::stream::{self, BoxStream, StreamExt};
use hangup::{CloseReason, Conflict, Live, Registering, Registry, Scope};

use hashers::{FastHasher, Hasher};

/// Connections that a server has beside the counted ones.
const RESIDENTS: u64 = 1000;

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [row, times] => run(row, times.parse().expect("a number of times")),
        _ => panic!("usage: counts NAME TIMES"),
    }
}

fn run(row: &str, times: u64) {
    let keys = RESIDENTS..RESIDENTS + times;
    let close = |live: Live| live.close(CloseReason::Completed).unwrap();
    match row {
        "open" => {
            let scope = Scope::new();
            let _residents: Vec<_> = (0..RESIDENTS).map(|_| live(&scope)).collect();
            keys.for_each(|_| drop(black_box(scope.open().unwrap())));
        }
        "lifecycle_bare" => {
            let scope = Scope::new();
            let _residents: Vec<_> = (0..RESIDENTS).map(|_| live(&scope)).collect();
            keys.for_each(|_| close(black_box(live(&scope))));
        }
        "lifecycle_undo" => {
            let scope = Scope::new();
            let _residents: Vec<_> = (0..RESIDENTS).map(|_| live(&scope)).collect();
            keys.for_each(|key| {
                let mut setup = setup(&scope);
                setup.on_close(move || _ = black_box(key)).unwrap();
                close(black_box(setup.go_live().unwrap()));
            });
        }
        "lifecycle_registry" => {
            let server = Server::<Hasher>::new();
            keys.for_each(|key| close(black_box(server.connect(key))));
        }
        // As for ids that the server makes itself.
        "lifecycle_registry_fast" => {
            let server = Server::<FastHasher>::new();
            keys.for_each(|key| close(black_box(server.connect(key))));
        }
        // One more registry than `lifecycle_registry`.
        "lifecycle_two_registries" => {
            let server = Server::<Hasher>::new();
            keys.for_each(|key| {
                let mut setup = server.joined(key);
                setup.join(&server.others, key, ()).unwrap();
                close(black_box(setup.go_live().unwrap()));
            });
        }
        // Each takes the key of the one before it.
        "take_over" => {
            let server = Server::<Hasher>::new();
            let mut latest = server.connect(RESIDENTS);
            for _ in keys {
                let mut setup = setup(&server.scope);
                let taking = setup.take_over(&server.members, RESIDENTS, ());
                assert!(poll(Box::pin(taking).as_mut()).is_ready());
                latest = setup.go_live().unwrap();
            }
            drop(latest);
        }
        // With the opening and the drop, which `lifecycle_bare` has as well.
        "close_all" => {
            let scope = Scope::new();
            let opened: Vec<_> = keys.map(|_| live(&scope)).collect();
            assert_eq!(scope.close_all(CloseReason::Shutdown) as u64, times);
            drop(opened);
        }
        "get" => {
            let server = Server::<Hasher>::new();
            keys.for_each(|key| {
                let found = server.members.get(black_box(&(key % RESIDENTS)));
                assert!(black_box(found).is_some());
            });
        }
        "ready" => {
            let mut items: BoxStream<'_, u64> =
                live(&Scope::new()).stream(stream::iter(0..times)).boxed();
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(Some(item)) = items.poll_next_unpin(&mut cx) {
                black_box(item);
            }
        }
        "ready_inlined" => {
            let mut items = pin!(live(&Scope::new()).stream(stream::iter(0..times)));
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(Some(item)) = items.as_mut().poll_next(&mut cx) {
                black_box(item);
            }
        }
        "pending" => {
            let mut items: BoxStream<'_, u64> =
                live(&Scope::new()).stream(stream::pending()).boxed();
            let mut cx = Context::from_waker(Waker::noop());
            for _ in keys {
                assert!(black_box(items.poll_next_unpin(&mut cx)).is_pending());
            }
        }
        // Each kept, and left as it is when the process ends.
        "opened" => {
            let scope = Scope::new();
            std::mem::forget(keys.map(|_| scope.open().unwrap()).collect::<Vec<_>>());
        }
        "asleep" => std::mem::forget(Asleep::new(keys)),
        "asleep_closed" => {
            let asleep = Asleep::new(keys);
            assert_eq!(
                asleep.server.scope.close_all(CloseReason::Shutdown) as u64,
                times + RESIDENTS
            );
            std::mem::forget(asleep);
        }
        _ => panic!("no row is called {row}"),
    }
}

fn setup(scope: &Scope) -> Registering {
    scope.open().unwrap().register().unwrap()
}

fn live(scope: &Scope) -> Live {
    setup(scope).go_live().unwrap()
}

struct Server<S> {
    scope: Scope,
    members: Registry<u64, (), S>,
    others: Registry<u64, (), S>,
    residents: Vec<Live>,
}

impl<S: BuildHasher + Default + Send + Sync + 'static> Server<S> {
    fn new() -> Self {
        let mut server = Self {
            scope: Scope::new(),
            members: Registry::with_hasher(Conflict::Replace, S::default()),
            others: Registry::with_hasher(Conflict::Replace, S::default()),
            residents: Vec::new(),
        };
        server.residents = (0..RESIDENTS).map(|key| server.connect(key)).collect();
        server
    }

    fn joined(&self, key: u64) -> Registering {
        let mut setup = setup(&self.scope);
        setup.join(&self.members, key, ()).unwrap();
        setup
    }

    fn connect(&self, key: u64) -> Live {
        self.joined(key).go_live().unwrap()
    }
}

/// Streams in a registry, each of which has registered the waker of its task.
struct Asleep {
    server: Server<Hasher>,
    _streams: Vec<BoxStream<'static, ()>>,
}

impl Asleep {
    fn new(keys: impl Iterator<Item = u64>) -> Self {
        let server = Server::<Hasher>::new();
        let streams = keys.map(|key| {
            let stream = server.connect(key).stream(stream::pending());
            asleep(stream.boxed())
        });
        let _streams = streams.collect();
        Self { server, _streams }
    }
}

fn asleep(mut stream: BoxStream<'static, ()>) -> BoxStream<'static, ()> {
    let polled = stream.poll_next_unpin(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    stream
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
