//! A bound on the asynchronous undos that run at once.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hangup::{Deadlines, Handle, Live, Scope, ScopeBuilder};
use tokio::sync::Semaphore;
use tokio_test::task;

use crate::support::log::Log;
use crate::support::spawn_with::OnCloseSpawn;
use crate::support::tasks::Tasks;
use crate::support::timed::Timed;

/// Undos that end when they are told to, and how many of them run.
#[derive(Clone)]
struct Counted {
    log: Log,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    go_on: Arc<Semaphore>,
}

impl Counted {
    fn new() -> Self {
        Self {
            log: Log::default(),
            running: Arc::default(),
            most: Arc::default(),
            go_on: Arc::new(Semaphore::new(0)),
        }
    }

    fn live(&self, scope: &Scope, n: usize) -> Live {
        let this = self.clone();
        let mut setup = scope.open().unwrap().register().unwrap();
        setup.on_close(self.log.adds(format!("{n} over"))).unwrap();
        setup
            .on_close_async(format!("undo {n}"), move || async move {
                this.log.add(format!("{n} begins"));
                let now = this.running.fetch_add(1, SeqCst) + 1;
                this.most.fetch_max(now, SeqCst);
                this.go_on.acquire().await.unwrap().forget();
                this.running.fetch_sub(1, SeqCst);
            })
            .unwrap();
        setup.go_live().unwrap()
    }
}

async fn all_idle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn at_most(max: usize) -> ScopeBuilder {
    Scope::builder().max_running_undos(max)
}

#[tokio::test]
async fn at_most_so_many_undos_run_at_once_and_the_others_follow_in_their_order() {
    let (scope, undos) = (at_most(2).build(), Counted::new());
    let lives: Vec<_> = (0..10).map(|n| undos.live(&scope, n)).collect();
    drop(lives);
    all_idle().await;
    assert_eq!(undos.log.entries(), ["0 begins", "1 begins"]);
    assert_eq!(scope.stats().settling, 10);
    undos.go_on.add_permits(1);
    all_idle().await;
    assert_eq!(undos.log.entries()[2..].len(), 2, "one over, one begins");
    assert!(undos.log.entries().contains(&"2 begins".to_owned()));

    undos.go_on.add_permits(9);
    scope.begin_drain();
    scope.drained().await;
    assert_eq!(undos.most.load(SeqCst), 2);
    let stats = scope.stats();
    assert_eq!((stats.undos_run, stats.undos_abandoned), (20, 0));
    let entries = undos.log.entries();
    let begun: Vec<_> = entries.iter().filter(|it| it.ends_with("begins")).collect();
    let in_order: Vec<_> = (0..10).map(|n| format!("{n} begins")).collect();
    assert_eq!(begun, in_order.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_bound_of_zero_is_one() {
    let (scope, undos) = (at_most(0).build(), Counted::new());
    undos.go_on.add_permits(2);
    drop([undos.live(&scope, 0), undos.live(&scope, 1)]);
    scope.begin_drain();
    scope.drained().await;
    assert_eq!(undos.most.load(SeqCst), 1);
}

/// The second undo waits for long, and then has all of its time.
#[tokio::test]
async fn an_undo_that_waits_has_no_deadline_yet() {
    let limit = Duration::from_secs(10);
    let undos = Counted::new();
    let builder = at_most(1).deadlines(Deadlines::new().undo(limit));
    let mut timed = Timed::of(builder.swept_by_hand());
    let lives = [0, 1].map(|n| undos.live(&timed.scope, n));
    let handles = lives.each_ref().map(Live::handle);
    drop(lives);
    all_idle().await;
    timed.date();
    timed.after(limit);
    all_idle().await;
    assert_eq!(handles[0].settled().await.abandoned, ["undo 0"]);
    assert!(undos.log.entries().contains(&"1 begins".to_owned()));
    timed.date();
    timed.after(limit / 2);
    all_idle().await;
    assert!(handles[1].try_settled().is_none());
    timed.after(limit / 2);
    assert_eq!(handles[1].settled().await.abandoned, ["undo 1"]);
}

/// Its clock has the time of the undo before it.
#[tokio::test]
async fn an_undo_that_waits_after_another_of_its_connection_is_not_overdue() {
    let limit = Duration::from_secs(10);
    let undos = Counted::new();
    let builder = at_most(1).deadlines(Deadlines::new().undo(limit));
    let mut timed = Timed::of(builder.swept_by_hand());
    let mut setup = timed.open().register().unwrap();
    setup.on_close_async("older", || async {}).unwrap();
    let go_on = Arc::clone(&undos.go_on);
    let newer = async move || go_on.acquire().await.unwrap().forget();
    setup.on_close_async("newer", newer).unwrap();
    let handle = setup.handle();
    drop(setup);
    all_idle().await;
    // It stands in the queue before `older`, and hangs.
    let other = undos.live(&timed.scope, 7);
    let hanging = other.handle();
    drop(other);
    timed.date();
    timed.after(limit / 2);
    undos.go_on.add_permits(1);
    all_idle().await;
    assert_eq!(undos.log.entries(), ["7 begins"]);
    // Over, counted from the beginning of `newer`.
    timed.after(limit / 2);
    timed.date();
    assert!(handle.try_settled().is_none() && hanging.try_settled().is_none());
    undos.go_on.add_permits(1);
    assert_eq!(handle.settled().await.abandoned.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_drain_abandons_those_that_wait_by_name() {
    let (scope, undos) = (at_most(1).build(), Counted::new());
    let lives: Vec<_> = (0..3).map(|n| undos.live(&scope, n)).collect();
    let report = scope.drain(Duration::from_secs(1)).await.unwrap();
    assert_eq!((report.closed, report.forced), (0, 3));
    let mut names: Vec<_> = report.abandoned.iter().map(|it| &*it.undo).collect();
    names.sort_unstable();
    assert_eq!(names, ["undo 0", "undo 1", "undo 2"]);
    let entries = undos.log.entries();
    let begun = entries.iter().filter(|it| it.ends_with("begins"));
    assert_eq!(begun.count(), 1);
    assert_eq!(scope.stats().undos_run, 6, "the others run");
    drop(lives);
}

#[tokio::test]
async fn a_child_shares_the_places_of_its_server_or_has_its_own() {
    let undos = Counted::new();
    let server = at_most(1).build();
    let (usual, own) = (server.child().build(), server.child().max_running_undos(1));
    let own = own.build();
    drop([&server, &usual, &own].map(|scope| undos.live(scope, 0)));
    all_idle().await;
    assert_eq!(undos.running.load(SeqCst), 2);
    undos.go_on.add_permits(3);
    server.begin_drain();
    server.drained().await;
    assert_eq!(undos.most.load(SeqCst), 2);
}

#[tokio::test]
async fn undos_that_may_block_are_bounded_too() {
    let (scope, ended) = (at_most(1).build(), Arc::new(Mutex::new(0)));
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for _ in 0..20 {
        let mut setup = scope.open().unwrap().register().unwrap();
        let (running, most, ended) = (running.clone(), most.clone(), ended.clone());
        let undo = move || {
            let now = running.fetch_add(1, SeqCst) + 1;
            most.fetch_max(now, SeqCst);
            *ended.lock().unwrap() += 1;
            running.fetch_sub(1, SeqCst);
        };
        setup.on_close_blocking("undo", undo).unwrap();
    }
    scope.begin_drain();
    scope.drained().await;
    assert_eq!((*ended.lock().unwrap(), most.load(SeqCst)), (20, 1));
}

/// Each ends as soon as it begins, since there is no runtime: in a loop, not in calls within
/// calls.
#[test]
fn a_long_queue_of_undos_that_end_at_once_needs_no_stack() {
    const WAITING: usize = 20_000;
    let (scope, tasks) = (at_most(1).build(), Tasks::default());
    let mut setup = scope.open().unwrap().register().unwrap();
    setup
        .on_close_spawn("first", tasks.spawn(), std::future::pending)
        .unwrap();
    drop(setup);
    let waiting: Vec<Handle> = (0..WAITING)
        .map(|_| {
            let mut setup = scope.open().unwrap().register().unwrap();
            setup.on_close_async("next", std::future::pending).unwrap();
            setup.handle()
        })
        .collect();
    assert_eq!(scope.stats().settling, WAITING + 1);
    // Of the first, which is polled once and then dropped: the slot comes free.
    let mut first = task::spawn(tasks.take().unwrap());
    assert!(first.poll().is_pending());
    drop(first);
    assert_eq!(scope.stats().settling, 0);
    let settled = waiting.last().unwrap().try_settled().unwrap();
    assert_eq!(settled.abandoned, ["next"]);
}

/// What runs cannot be stopped; what waits can.
#[tokio::test]
async fn an_undo_that_waits_behind_one_that_blocks_is_abandoned_at_once() {
    let (scope, undos) = (at_most(1).build(), Counted::new());
    let (go_on, gone_on) = std::sync::mpsc::channel();
    let mut blocks = scope.open().unwrap().register().unwrap();
    let undo = move || gone_on.recv().unwrap();
    blocks.on_close_blocking("blocks", undo).unwrap();
    let blocking = blocks.handle();
    drop(blocks);
    let waits = undos.live(&scope, 1);
    let waiting = waits.handle();
    drop(waits);
    assert!(waiting.waits_for().is_some());
    waiting.abandon_undos();
    assert_eq!(waiting.settled().await.abandoned, ["undo 1"]);
    assert_eq!(undos.log.entries(), ["1 over"]);
    assert!(blocking.try_settled().is_none());
    // Its slot is free then.
    go_on.send(()).unwrap();
    let next = undos.live(&scope, 2);
    let handle = next.handle();
    undos.go_on.add_permits(1);
    drop(next);
    assert_eq!(handle.settled().await.abandoned.len(), 0);
}

/// On threads, with ends, abandonments and a drain at any time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bound_holds_whatever_ends_or_is_abandoned_at_the_same_time() {
    const MAX: usize = 3;
    const CONNECTIONS: usize = 2_000;

    struct Running(Arc<AtomicUsize>);

    impl Drop for Running {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }

    let scope = at_most(MAX).build();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (to_drop, drops) = std::sync::mpsc::channel::<Live>();
    let dropping = std::thread::spawn(move || drops.into_iter().for_each(drop));
    let mut handles = Vec::new();
    for n in 0..CONNECTIONS {
        let mut setup = scope.open().unwrap().register().unwrap();
        for _ in 0..2 {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            let undo = async move || {
                most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                let _running = Running(running);
                for _ in 0..n % 4 {
                    tokio::task::yield_now().await;
                }
            };
            setup.on_close_async("undo", undo).unwrap();
        }
        let live = setup.go_live().unwrap();
        handles.push(live.handle());
        match n % 3 {
            0 => drop(live),
            _ => to_drop.send(live).unwrap(),
        }
        if n % 7 == 0 {
            handles[n / 2].abandon_undos();
        }
    }
    drop(to_drop);
    scope.begin_drain();
    scope.drained().await;
    dropping.join().unwrap();
    assert!(most.load(SeqCst) <= MAX, "{most:?} at once");
    assert_eq!(running.load(SeqCst), 0);
    let stats = scope.stats();
    assert_eq!(stats.undos_run, 2 * CONNECTIONS as u64);
    for handle in handles {
        assert_eq!(handle.try_settled().unwrap().panics.len(), 0);
    }
}

/// It comes before the undo, and has a bound of its own.
#[tokio::test]
async fn a_goodbye_needs_no_place() {
    let (scope, undos) = (at_most(1).build(), Counted::new());
    drop(undos.live(&scope, 0));
    all_idle().await;
    assert_eq!(undos.log.entries(), ["0 begins"]);
    let live = undos.live(&scope, 1);
    let handle = live.handle();
    let run = live.run(std::future::pending::<()>());
    handle.close(hangup::CloseReason::Shutdown).unwrap();
    let closing = run.await.unwrap_err();
    assert_eq!(closing.farewell(|_| async { "bye" }).await, Some("bye"));
    assert!(handle.try_settled().is_none());
    undos.go_on.add_permits(2);
    assert_eq!(handle.settled().await.abandoned.len(), 0);
}
