//! What a console of 100,000 connections costs its server: `cargo run --release -p hangup-console
//! --example hundred_thousand`. It fails if that is more than the documentation says.

use std::fs;
use std::time::{Duration, Instant};

use hangup::{CloseReason, Conflict, Live, Registry, Scope};
use hangup_console::{Console, ConsoleBody, ConsoleObserver};
use http::Request;
use http_body_util::{BodyExt, Empty};
use tower::ServiceExt;

const CONNECTIONS: usize = 100_000;
const UPDATES: usize = 10;
const FIRST: Duration = Duration::from_millis(200);
/// Of a core, for an update; there is one a second at most.
const CPU: Duration = Duration::from_millis(30);
const QUERIES: [&str; 9] = [
    "",
    "order=down&page=2000",
    "sort=phase&page=1000",
    "sort=label",
    "sort=label&order=down&page=1000",
    "filter=worker",
    "filter=99999",
    "filter=nothing+like+it",
    "filter=name&sort=label&order=down&page=77",
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let observer = ConsoleObserver::new();
    let scope = Scope::builder()
        .clock(Instant::now)
        .observer(observer.clone())
        .build();
    let workers = Registry::builder(Conflict::Replace).name("workers").build();
    let mut lives = open_all(&scope, &workers);
    let console = Console::builder(scope.clone())
        .observer(&observer)
        .allow(|_| true)
        .build();
    println!("{CONNECTIONS} connections, of which some come and go between the updates");
    println!(
        "{:<44} {:>12} {:>14} {:>16}",
        "query", "first answer", "CPU per update", "updates a second"
    );
    let mut is_within = true;
    for query in QUERIES {
        let (first, cpu, rate) = measure(&console, query, &mut lives, &scope, &workers).await;
        println!("{query:<44} {first:>12.1?} {cpu:>14.1?} {rate:>16.2}");
        is_within &= first < FIRST && cpu < CPU;
    }
    assert!(
        is_within,
        "more than {FIRST:?}, or than {CPU:?} for an update"
    );
}

/// From several threads at once, so that their ids and their places in memory are mixed.
fn open_all(scope: &Scope, workers: &Registry<String, ()>) -> Vec<Live> {
    let open = |thread: usize| {
        let numbers = (0..CONNECTIONS / 4).map(move |number| 4 * number + thread);
        numbers
            .map(|number| open(scope, workers, number))
            .collect::<Vec<_>>()
    };
    std::thread::scope(|threads| {
        let open = &open;
        let threads: Vec<_> = (0..4)
            .map(|thread| threads.spawn(move || open(thread)))
            .collect();
        threads
            .into_iter()
            .flat_map(|it| it.join().unwrap())
            .collect()
    })
}

fn open(scope: &Scope, workers: &Registry<String, ()>, number: usize) -> Live {
    let mut pending = scope.open().unwrap();
    pending.label(format!("worker {number}"));
    let mut setup = pending.register().unwrap();
    setup.join(workers, format!("name-{number}"), ()).unwrap();
    setup.go_live().unwrap()
}

/// How long the first answer takes, how much of a core an update, and how many come in a second.
async fn measure(
    console: &Console,
    query: &str,
    lives: &mut [Live],
    scope: &Scope,
    workers: &Registry<String, ()>,
) -> (Duration, Duration, f64) {
    let request = Request::get(format!("/events?{query}"));
    let request = request.body(Empty::<&[u8]>::new()).unwrap();
    // The best of three: the machine may be busy otherwise.
    let mut first = Duration::MAX;
    let mut bodies = Vec::new();
    for _ in 0..3 {
        bodies.clear();
        let begun = Instant::now();
        let answer = console.service().oneshot(request.clone()).await;
        let mut body = answer.unwrap().into_body();
        next(&mut body).await;
        first = first.min(begun.elapsed());
        bodies.push(body);
    }
    let mut body = bodies.pop().unwrap();
    let (begun, mut other, before) = (Instant::now(), Duration::ZERO, cpu());
    for update in 0..UPDATES {
        // Not of the console.
        let from = cpu();
        for at in 0..100 {
            let number = CONNECTIONS + update * 100 + at;
            drop(std::mem::replace(
                &mut lives[at * 991],
                open(scope, workers, number),
            ));
        }
        lives[7].handle().close(CloseReason::App(7)).ok();
        other += cpu() - from;
        next(&mut body).await;
    }
    let spent = cpu() - before - other;
    let count = u32::try_from(UPDATES).unwrap();
    let rate = f64::from(count) / begun.elapsed().as_secs_f64();
    (first, spent / count, rate)
}

/// The next update of the table. What the observer has told may come without one, if the one
/// before took long.
async fn next(body: &mut ConsoleBody) {
    loop {
        let frame = body.frame().await.unwrap().unwrap();
        let text = frame.into_data().unwrap();
        if text.windows(12).any(|it| it == b"event: view\n") {
            return;
        }
    }
}

/// What this thread has had of a core.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}
