//! What only real threads can show of the adapter: signals against closes, and a drain
//! against everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use futures::StreamExt;
use futures::channel::oneshot;
use hangup::{CloseReason, Scope};

/// Counts the signals that are there.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[test]
fn i1_i7_signal_vs_close_vs_runtime() {
    const ROUNDS: usize = 3000;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let (signals, undone) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let scope = Scope::new();
    for round in 0..ROUNDS {
        let (fire, fired) = oneshot::channel::<()>();
        let counted = Counted::new(&signals);
        let entered = runtime.enter();
        let bound = scope.open().unwrap().abort_on(async move {
            let _counted = counted;
            if round % 2 == 0 {
                // Polled again and again.
                for _ in 0..round % 7 {
                    tokio::task::yield_now().await;
                }
            }
            _ = fired.await;
        });
        drop(entered);
        let mut setup = bound.unwrap().register().unwrap();
        let count = Arc::clone(&undone);
        setup
            .on_close(move || _ = count.fetch_add(1, SeqCst))
            .unwrap();
        let live = setup.go_live().unwrap();
        let handle = live.handle();
        let firing = std::thread::spawn(move || fire.send(()));
        let closed = handle.close(CloseReason::Idle).is_ok();
        let settled = futures::executor::block_on(handle.settled());
        let reason = if closed {
            CloseReason::Idle
        } else {
            CloseReason::Aborted
        };
        assert_eq!(settled.closed.reason, reason);
        _ = firing.join().unwrap();
        drop(live);
    }
    assert_eq!(undone.load(SeqCst), ROUNDS);
    let gone = std::time::Instant::now() + Duration::from_secs(10);
    while signals.load(SeqCst) > 0 || runtime.metrics().num_alive_tasks() > 0 {
        assert!(
            std::time::Instant::now() < gone,
            "a signal or a task is left"
        );
        std::thread::yield_now();
    }
    assert!(scope.handles().is_empty());
}

/// Everything at once: owners that live, stream, set up and close; undos that end, hang and
/// panic; tasks. Each connection is counted once.
#[test]
fn r14_drain_vs_everything() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    for round in 0..8 {
        let undone = Arc::new(AtomicUsize::new(0));
        let counts = || {
            let undone = Arc::clone(&undone);
            move || _ = undone.fetch_add(1, SeqCst)
        };
        let scope = Scope::builder().runtime(runtime.handle().clone()).build();
        let mut hanging = 0;
        let _entered = runtime.enter();
        for n in 0..200 {
            let mut setup = scope.open().unwrap().register().unwrap();
            setup.on_close(counts()).unwrap();
            match n % 5 {
                0 => {
                    hanging += 1;
                    setup
                        .on_close_async("hangs", std::future::pending::<()>)
                        .unwrap();
                }
                1 => setup
                    .on_close_async("undo", tokio::task::yield_now)
                    .unwrap(),
                2 => setup
                    .on_close_async("undo", || async {
                        std::panic::resume_unwind(Box::new("undo"))
                    })
                    .unwrap(),
                _ => {}
            }
            setup.on_close(counts()).unwrap();
            match n % 4 {
                0 => {
                    tokio::spawn(async move {
                        let live = setup.go_live()?;
                        for _ in 0..3 {
                            drop(live.spawn(std::future::pending::<()>()));
                        }
                        let ended = live.run(std::future::pending::<()>()).await;
                        ended.map_err(hangup::Closed::from)
                    });
                }
                1 => {
                    tokio::spawn(async move {
                        let some_turns = async move {
                            for _ in 0..n {
                                tokio::task::yield_now().await;
                            }
                        };
                        _ = setup.finish("turns", some_turns).await;
                        tokio::task::yield_now().await;
                        drop(setup);
                    });
                }
                2 => {
                    let handle = setup.handle();
                    tokio::spawn(async move {
                        _ = setup.run(std::future::pending::<()>()).await;
                    });
                    std::thread::spawn(move || handle.close(CloseReason::Idle));
                }
                _ => {
                    tokio::spawn(async move {
                        let live = setup.go_live()?;
                        let mut stream = Box::pin(live.stream(futures::stream::pending::<()>()));
                        assert_eq!(stream.next().await, None);
                        Ok::<_, hangup::Closed>(())
                    });
                }
            }
        }
        let there = scope.handles().len();
        let drain = scope
            .drain(Duration::from_millis(if round % 2 == 0 { 100 } else { 0 }))
            .batch_size(10);
        let report = runtime.block_on(async { drain.await.unwrap() });
        assert_eq!(report.unsettled, [], "{report:?}");
        let counted = report.closed + report.forced;
        assert!(
            counted >= hanging && counted <= 200 && there <= 200,
            "{report:?}"
        );
        assert!(report.abandoned.len() >= hanging, "{report:?}");
        assert!(scope.handles().is_empty());
        let stats = scope.stats();
        assert_eq!(stats.closed.values().sum::<u64>(), 200);
        assert_eq!(undone.load(SeqCst), 400, "each sync undo once");
        assert_eq!(stats.undos_abandoned as usize, report.abandoned.len());
    }
}
