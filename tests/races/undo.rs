//! The undo is disturbed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hangup::{CloseReason, Scope};
use tokio_test::{assert_pending, assert_ready, task};

use crate::server::Server;
use crate::support::log::Log;
use crate::support::registering;

#[test]
fn r7_several_triggers_fire() {
    const ROUNDS: usize = 300;
    const CLOSERS: usize = 3;
    let scope = Scope::new();
    let undone = Arc::new(AtomicUsize::new(0));
    for _ in 0..ROUNDS {
        let mut setup = scope.open().unwrap().register().unwrap();
        let count = Arc::clone(&undone);
        setup
            .on_close(move || {
                count.fetch_add(1, Ordering::Relaxed);
            })
            .unwrap();
        let live = setup.go_live().unwrap();
        let handle = live.handle();
        let start = Barrier::new(CLOSERS + 1);
        let winners: usize = thread::scope(|threads| {
            let closers: Vec<_> = (1..=3)
                .map(|code| {
                    let (handle, start) = (handle.clone(), &start);
                    threads.spawn(move || {
                        start.wait();
                        usize::from(handle.close(CloseReason::App(code)).is_ok())
                    })
                })
                .collect();
            start.wait();
            drop(live);
            closers
                .into_iter()
                .map(|closer| closer.join().unwrap())
                .sum()
        });
        let reason = handle.state().closed().unwrap().reason;
        assert_eq!(winners, usize::from(reason != CloseReason::Dropped));
    }
    assert_eq!(undone.load(Ordering::Relaxed), ROUNDS);
    let stats = scope.stats();
    assert_eq!(stats.closed.values().sum::<u64>(), ROUNDS as u64);
    assert_eq!((stats.open(), stats.settling), (0, 0));
}

#[test]
fn r12_panic_in_an_undo() {
    const UNDOS: usize = 4;
    for bomb in 0..UNDOS {
        let log = Log::default();
        let server = Server::new();
        let mut setup = server.scope.open().unwrap().register().unwrap();
        setup.join(&server.workers, "ada", 1).unwrap();
        for i in 0..UNDOS {
            if i == bomb {
                setup.on_close(|| panic!("undo")).unwrap();
            } else {
                setup.on_close(log.adds(i.to_string())).unwrap();
            }
        }
        let live = setup.go_live().unwrap();
        // It does not reach the closer.
        live.handle().close(CloseReason::Idle).unwrap();
        let expected: Vec<_> = (0..UNDOS).rev().filter(|i| *i != bomb).collect();
        assert_eq!(
            log.entries(),
            expected.iter().map(usize::to_string).collect::<Vec<_>>()
        );
        let settled = assert_ready!(task::spawn(live.handle().settled()).poll());
        assert_eq!(settled.panics, ["undo"]);
        assert!(server.workers.is_empty());
        assert_eq!(server.scope.stats().settling, 0);
    }
}

/// The owner is dropped by a panic, which must not meet the undo's.
#[test]
fn r12_panic_in_an_undo_during_a_panic() {
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("undone")).unwrap();
    setup.on_close(|| panic!("undo")).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _setup = setup;
        panic!("handler");
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"handler"));
    assert_eq!(log.entries(), ["undone"]);
}

#[test]
fn r24_undo_overlapping_the_step_it_undoes() {
    // However the step is stopped, it is gone before the undo runs.
    for polled_again in [true, false] {
        let log = Log::default();
        let mut setup = registering();
        let handle = setup.handle();
        setup.on_close(log.adds("pause")).unwrap();
        let resuming = log.on_drop("resume stopped");
        let mut step = task::spawn(setup.run(async move {
            let _resuming = resuming;
            std::future::pending::<()>().await;
        }));
        assert_pending!(step.poll());
        handle.close(CloseReason::Aborted).unwrap();
        assert!(step.is_woken());
        assert!(log.entries().is_empty(), "the step may still take effect");
        if polled_again {
            assert_ready!(step.poll()).unwrap_err();
        }
        drop(step);
        drop(setup);
        assert_eq!(log.entries(), ["resume stopped", "pause"]);
    }
}

/// The step is being polled on one thread when another one closes.
#[test]
fn r24_undo_overlapping_the_step_being_polled() {
    const ROUNDS: usize = 300;
    for _ in 0..ROUNDS {
        let log = Log::default();
        let mut setup = registering();
        let handle = setup.handle();
        setup.on_close(log.adds("undone")).unwrap();
        let start = Barrier::new(2);
        thread::scope(|threads| {
            threads.spawn(|| {
                start.wait();
                handle.close(CloseReason::Aborted).unwrap();
            });
            let mut step = task::spawn(setup.run(async {
                start.wait();
                for _ in 0..3 {
                    log.add("step");
                    futures::pending!();
                }
                log.add("step");
            }));
            while step.poll().is_pending() {}
        });
        drop(setup);
        let entries = log.entries();
        let (last, steps) = entries.split_last().unwrap();
        assert_eq!(last, "undone", "{entries:?}");
        assert!(steps.iter().all(|entry| entry == "step"), "{entries:?}");
    }
}
