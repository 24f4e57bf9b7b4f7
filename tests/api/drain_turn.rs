//! A drain and the tasks that it wakes: they say the farewells.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hangup::Scope;
use tokio::time::Instant;

const MANY: usize = 1000;
const DEADLINE: Duration = Duration::from_secs(10);

/// How many connections each task finds open when it learns of its close.
type Seen = Arc<Mutex<Vec<usize>>>;

/// Each connection belongs to a task.
async fn open(scope: &Scope) -> Seen {
    let seen = Seen::default();
    for _ in 0..MANY {
        let (scope, seen) = (scope.clone(), Arc::clone(&seen));
        let live = scope.live().unwrap();
        tokio::spawn(async move {
            live.handle().closed().await;
            seen.lock().unwrap().push(scope.stats().open());
        });
    }
    tokio::task::yield_now().await;
    seen
}

/// As the one that a server is given for its graceful shutdown. Returns what was seen when it
/// ended.
async fn drain(scope: &Scope, drain: hangup::future::Drain) -> Vec<usize> {
    let seen = open(scope).await;
    let begun = Instant::now();
    let drained = tokio::spawn(async move {
        assert_eq!(drain.await.unwrap().closed, MANY);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        seen.lock().unwrap().clone()
    });
    drained.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_tasks_that_a_drain_wakes_run_before_it_ends() {
    let scope = Scope::new();
    let seen = drain(&scope, scope.drain(DEADLINE).batch_size(MANY)).await;
    assert_eq!(seen, [0; MANY]);
}

#[tokio::test(start_paused = true)]
async fn without_pauses_tasks_run_between_two_batches() {
    let scope = Scope::new();
    let without = scope.drain(DEADLINE).batch_size(100).spread(Duration::ZERO);
    let seen = drain(&scope, without).await;
    let left = (0..10).rev().flat_map(|batches| [batches * 100; 100]);
    assert!(seen.iter().copied().eq(left), "{seen:?}");
}

/// On threads the order of tasks is left to chance, and the drain ends all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_ends_on_threads() {
    let scope = Scope::new();
    open(&scope).await;
    let report = scope.drain(DEADLINE).spread(Duration::ZERO).await.unwrap();
    assert_eq!((report.closed, report.forced), (MANY, 0));
}
