//! Many connections under one key: what they cost each other, and what they cost another key.
//!
//! `crowd` prints all tables; `crowd NAME` prints one of them. What each one shows is in
//! `benches/README.md`.

use std::env;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use hangup::{Conflict, Registering, Registry, Scope};

type Members = Registry<u64, (), BuildHasherDefault<DefaultHasher>>;

/// As long as no run takes.
const UNDO: Duration = Duration::from_secs(200);

fn main() {
    let wanted = env::args().nth(1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    for (name, table) in [
        ("unsettled", unsettled as fn()),
        ("set_up", set_up),
        ("keys", keys),
        ("take_overs", take_overs),
        ("latency", latency),
    ] {
        if wanted.as_ref().is_none_or(|wanted| wanted == name) {
            table();
        }
    }
}

fn setup(scope: &Scope) -> Registering {
    scope.open().unwrap().register().unwrap()
}

fn members(conflict: Conflict) -> Members {
    Registry::with_hasher(conflict, BuildHasherDefault::default())
}

fn timed<T>(run: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let value = run();
    (start.elapsed().as_secs_f64() * 1e3, value)
}

/// Members of one key that are closed and have not settled.
#[derive(Clone, Copy)]
enum Undoing {
    Async,
    /// The same future as a task that is no part of the connection.
    TaskElsewhere,
    None,
}

fn unsettled() {
    println!("unsettled: open, register, an undo of {UNDO:?}, join one key, drop [ms]");
    for (name, conflict) in [
        ("Replace", Conflict::Replace),
        ("Reject", Conflict::Reject),
        ("Share", Conflict::share_unbounded()),
    ] {
        for count in [8_000, 16_000, 32_000] {
            let run = |what: Undoing, keys: u64| {
                let (scope, members) = (Scope::new(), members(conflict));
                let (took, ()) = timed(|| {
                    for number in 0..count {
                        let mut setup = setup(&scope);
                        match what {
                            Undoing::Async => {
                                let undo = || tokio::time::sleep(UNDO);
                                setup.on_close_async("undo", undo).unwrap();
                            }
                            Undoing::TaskElsewhere => drop(tokio::spawn(tokio::time::sleep(UNDO))),
                            Undoing::None => {}
                        }
                        let _: Result<_, _> = setup.join(&members, number % keys, ());
                    }
                });
                took
            };
            let (undone, apart) = (run(Undoing::Async, 1), run(Undoing::Async, count));
            let (task, none) = (run(Undoing::TaskElsewhere, 1), run(Undoing::None, 1));
            println!(
                "  {name:<8} {count:>6}: {undone:>6.1}, each its own key {apart:>6.1}, \
                 no undo but a task {task:>6.1}, no undo {none:>6.1}"
            );
        }
    }
}

/// Members of one key that are being set up.
fn set_up() {
    println!("set_up: one look-up of a key under which so many are being set up [ms]");
    for count in [10_000, 100_000, 1_000_000] {
        let (scope, members) = (Scope::new(), members(Conflict::share_unbounded()));
        let _crowd: Vec<_> = (0..count)
            .map(|_| {
                let mut setup = setup(&scope);
                setup.join(&members, 1, ()).unwrap();
                setup
            })
            .collect();
        let (first, _) = timed(|| members.get(&1).is_some());
        let (next, _) = timed(|| members.get(&1).is_some());
        println!("  {count:>7}: the first {first:>8.3}, the next {next:>8.3}");
    }
}

/// One connection under many keys.
fn keys() {
    println!("keys: one connection joins so many keys [ms]");
    for count in [10_000, 20_000, 40_000] {
        let (scope, members) = (Scope::new(), members(Conflict::Replace));
        let mut setup = setup(&scope);
        let (took, ()) = timed(|| {
            for key in 0..count {
                setup.join(&members, key, ()).unwrap();
            }
        });
        println!("  {count:>7}: {took:>8.1}");
    }
}

/// Take-overs of one key, each with an undo that is not over.
fn take_overs() {
    println!("take_overs: so many take one key, each with an undo before it [ms]");
    for count in [2_000, 4_000, 8_000] {
        let (scope, members) = (Scope::new(), members(Conflict::Replace));
        let (took, _) = timed(|| {
            let mut waiting: Vec<Pin<Box<dyn Future<Output = bool>>>> = Vec::new();
            for _ in 0..count {
                let (scope, members) = (scope.clone(), members.clone());
                let mut taking: Pin<Box<dyn Future<Output = bool>>> = Box::pin(async move {
                    let mut setup = setup(&scope);
                    let undo = || tokio::time::sleep(UNDO);
                    setup.on_close_async("undo", undo).unwrap();
                    setup.take_over(&members, 1, ()).await.is_ok()
                });
                let mut cx = Context::from_waker(Waker::noop());
                if taking.as_mut().poll(&mut cx).is_pending() {
                    waiting.push(taking);
                }
            }
            waiting
        });
        println!("  {count:>7}: {took:>8.1}");
    }
}

/// What a crowd under one key costs a look-up of another key under the same lock.
fn latency() {
    println!("latency: look-ups of another key of the same shard [us]");
    const CROWD: u64 = 1_000_000;
    let (scope, members) = (Scope::new(), members(Conflict::share_unbounded()));
    let shard = |key: u64| BuildHasherDefault::<DefaultHasher>::default().hash_one(key) >> 32 & 31;
    let other = (2..).find(|key| shard(*key) == shard(1)).unwrap();
    let mut beside = setup(&scope);
    beside.join(&members, other, ()).unwrap();
    let _beside = beside.go_live().unwrap();
    let _crowd: Vec<_> = (0..CROWD)
        .map(|number| {
            let mut setup = setup(&scope);
            setup.join(&members, 1, ()).unwrap();
            // Half of them are live.
            (number % 2 == 0).then(|| setup.go_live().unwrap())
        })
        .collect();
    let done = AtomicBool::new(false);
    let quiet = percentiles(&members, other, |taken| taken < 200_000);
    let busy = thread::scope(|threads| {
        threads.spawn(|| {
            // Each of those that look at all of them.
            for _ in 0..5 {
                let _: usize = members.count(&1) + members.len() + members.members(&1).len();
                let _: usize = members.iter().count() + members.keys().count();
                assert!(members.get(&1).is_some() && !members.is_empty());
            }
            done.store(true, Ordering::Relaxed);
        });
        percentiles(&members, other, |_| !done.load(Ordering::Relaxed))
    });
    for (name, [half, most, nearly_all, worst]) in [("alone", quiet), ("beside", busy)] {
        println!(
            "  {name:<8} p50 {half:>8.2}, p99 {most:>8.2}, p99.9 {nearly_all:>8.2}, max {worst:>9.1}"
        );
    }
}

fn percentiles(members: &Members, key: u64, go_on: impl Fn(usize) -> bool) -> [f64; 4] {
    let mut took = Vec::new();
    while go_on(took.len()) {
        let start = Instant::now();
        assert!(members.get(&key).is_some());
        took.push(start.elapsed().as_secs_f64() * 1e6);
    }
    took.sort_by(f64::total_cmp);
    [0.5, 0.99, 0.999, 1.0].map(|part| took[((took.len() - 1) as f64 * part) as usize])
}
