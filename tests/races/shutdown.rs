//! The server shuts down.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use futures::executor::block_on;
use futures::{StreamExt, stream};
use hangup::{CloseReason, OpenError, Registering, Scope};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, task};

use crate::support::log::Log;

#[test]
fn r14_shutdown_with_open_streams() {
    let (log, scope) = (Log::default(), Scope::new());
    let open = || scope.open().unwrap();
    // One in each phase, and one in the middle of a step.
    let pending = open();
    let idle = open().register().unwrap();
    let mut stepping = open().register().unwrap();
    stepping.on_close(log.adds("step undone")).unwrap();
    let mut step = task::spawn(stepping.run(std::future::pending::<()>()));
    assert_pending!(step.poll());
    let live = open().register().unwrap().go_live().unwrap();
    let body = live
        .stream(stream::pending())
        .farewell(|end| Some(end.reason()));
    let mut body = task::spawn(body);
    assert_pending!(body.poll_next());

    let mut settled = task::spawn(scope.drained());
    assert_pending!(settled.poll());
    scope.begin_drain();
    assert_pending!(settled.poll());
    assert_eq!(scope.close_all(CloseReason::Shutdown), 4);

    // The stream is told at once, and settled without being polled.
    assert!(body.is_woken());
    assert_eq!(assert_ready!(body.poll_next()), Some(CloseReason::Shutdown));
    assert_eq!(assert_ready!(body.poll_next()), None);
    assert_eq!(scope.stats().settling, 2);
    assert_pending!(settled.poll());
    assert!(step.is_woken());
    assert_ready_err!(step.poll());
    drop(step);
    drop(stepping);
    assert_pending!(settled.poll());
    drop(idle);
    assert!(settled.is_woken());
    assert_ready!(settled.poll());
    assert_eq!(log.entries(), ["step undone"]);
    assert_eq!(scope.stats().closed_as(CloseReason::Shutdown), 4);
    assert!(scope.handles().is_empty());
    drop(pending);
}

/// Nobody polls any of the streams any more.
#[test]
fn r14_shutdown_does_not_wait_for_who_is_not_polled() {
    let scope = Scope::new();
    let bodies: Vec<_> = (0..100)
        .map(|_| {
            let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
            live.stream(stream::pending::<u8>()).boxed()
        })
        .collect();
    scope.begin_drain();
    assert_eq!(scope.close_all(CloseReason::Shutdown), 100);
    block_on(scope.drained());
    drop(bodies);
}

#[test]
fn r15_open_racing_shutdown() {
    const ROUNDS: usize = 200;
    const OPENERS: usize = 3;
    for _ in 0..ROUNDS {
        let (scope, start) = (Scope::new(), Barrier::new(OPENERS + 1));
        let admitted = AtomicUsize::new(0);
        let opened: Vec<_> = thread::scope(|threads| {
            let openers: Vec<_> = (0..OPENERS)
                .map(|_| {
                    threads.spawn(|| {
                        start.wait();
                        let mut opened = Vec::new();
                        loop {
                            match scope.open() {
                                Ok(pending) => {
                                    admitted.fetch_add(1, Ordering::Relaxed);
                                    let handle = pending.handle();
                                    // Kept open: only the shutdown can close it.
                                    let live = pending.register().and_then(Registering::go_live);
                                    opened.push((handle, live));
                                }
                                Err(refused) => {
                                    assert_eq!(refused, OpenError::Draining);
                                    return opened;
                                }
                            }
                        }
                    })
                })
                .collect();
            start.wait();
            while admitted.load(Ordering::Relaxed) < OPENERS {
                std::hint::spin_loop();
            }
            scope.begin_drain();
            assert_eq!(scope.open().unwrap_err(), OpenError::Draining);
            scope.close_all(CloseReason::Shutdown);
            // All that were admitted before are closed, and nobody comes after.
            assert_eq!(scope.stats().open(), 0);
            openers
                .into_iter()
                .flat_map(|opener| opener.join().unwrap())
                .collect()
        });
        assert_eq!(opened.len(), admitted.into_inner());
        for (handle, _) in &opened {
            let closed = handle.state().closed().expect("slipped through");
            assert_eq!(closed.reason, CloseReason::Shutdown);
        }
        block_on(scope.drained());
        let stats = scope.stats();
        assert_eq!(stats.closed_as(CloseReason::Shutdown), opened.len() as u64);
    }
}

/// The cap of the scope, from real threads: never more, and none too few.
#[test]
fn r20_cap_checked_first_added_later_by_the_scope() {
    const ROUNDS: usize = 200;
    const THREADS: usize = 4;
    const CAP: usize = 2;
    let scope = Scope::builder().max_connections(CAP).build();
    for _ in 0..ROUNDS {
        let start = Barrier::new(THREADS);
        let admitted: Vec<_> = thread::scope(|threads| {
            let openers: Vec<_> = (0..THREADS)
                .map(|_| {
                    threads.spawn(|| {
                        start.wait();
                        let opened = scope.open();
                        assert!(scope.handles().len() <= CAP);
                        opened
                    })
                })
                .collect();
            openers
                .into_iter()
                .map(|opener| opener.join().unwrap())
                .collect()
        });
        let refused = admitted.iter().filter_map(|opened| opened.as_ref().err());
        assert!(refused.clone().all(|refused| *refused == OpenError::Full));
        assert_eq!(refused.count(), THREADS - CAP);
        drop(admitted);
        assert_eq!(scope.stats().open(), 0);
    }
}
