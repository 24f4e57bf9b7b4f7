//! One thing that a server does, so many times over, for `ci/counts` to count its instructions.
//!
//! `counts NAME TIMES` does it; `counts memory` prints what an idle connection holds. What each
//! row is, and what it is compared with, is in `benches/README.md`.

use std::env;
use std::hash::{BuildHasherDefault, DefaultHasher};

use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use futures::Stream;
use futures::stream::{self, BoxStream, StreamExt};
use hangup::{CloseReason, Conflict, Live, Registering, Registry, Scope};

/// Connections that a server has beside the counted ones.
const RESIDENTS: u64 = 1000;

/// Not randomly keyed, so that every run takes the same steps.
type Members = Registry<u64, (), BuildHasherDefault<DefaultHasher>>;

fn members() -> Members {
    Registry::with_hasher(Conflict::Replace, BuildHasherDefault::default())
}

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["memory"] => print_memory(),
        [row, times] => run(row, times.parse().expect("a number of times")),
        _ => panic!("usage: counts NAME TIMES, or counts memory"),
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
            let server = Server::new();
            keys.for_each(|key| close(black_box(server.connect(key))));
        }
        // One more registry than the row before.
        "lifecycle_two_registries" => {
            let server = Server::new();
            keys.for_each(|key| {
                let mut setup = server.joined(key);
                setup.join(&server.others, key, ()).unwrap();
                close(black_box(setup.go_live().unwrap()));
            });
        }
        // Each takes the key of the one before it.
        "take_over" => {
            let server = Server::new();
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
            let server = Server::new();
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
        _ => panic!("no row is called {row}"),
    }
}

fn setup(scope: &Scope) -> Registering {
    scope.open().unwrap().register().unwrap()
}

fn live(scope: &Scope) -> Live {
    setup(scope).go_live().unwrap()
}

struct Server {
    scope: Scope,
    members: Members,
    others: Members,
    residents: Vec<Live>,
}

impl Server {
    fn new() -> Self {
        let mut server = Self {
            scope: Scope::new(),
            members: members(),
            others: members(),
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

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Tables double, so what one connection takes depends on how many there are: a mean over all
/// sizes between two doublings does not.
const CROWDS: [u64; 8] = [8704, 9728, 10752, 11776, 12800, 13824, 14848, 15872];

fn print_memory() {
    print_held("alone", |scope, _, _| live(scope));
    print_held("in_registry", |scope, members, key| {
        let mut setup = setup(scope);
        setup.join(members, key, ()).unwrap();
        setup.go_live().unwrap()
    });
}

fn print_held(name: &str, connect: impl Fn(&Scope, &Members, u64) -> Live) {
    let (mut bytes, mut allocations) = (0.0, 0.0);
    for count in CROWDS {
        let mut kept = None;
        let held = measure(|| {
            let (scope, members) = (Scope::new(), members());
            let lives: Vec<_> = (0..count)
                .map(|key| connect(&scope, &members, key))
                .collect();
            kept = Some((scope, members, lives));
        });
        let times = (count * CROWDS.len() as u64) as f64;
        bytes += held.bytes_current as f64 / times;
        allocations += held.count_current as f64 / times;
    }
    println!("bytes_{name} {bytes:.1}");
    println!("allocations_{name} {allocations:.2}");
}
