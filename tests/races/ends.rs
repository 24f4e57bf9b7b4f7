//! Signals that panic, and a runtime that shuts down.

use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context, Poll};

use hangup::{CloseReason, Scope};

use crate::support::log::{Log, LogOnDrop};

/// A signal that never fires, and panics when it is dropped.
struct Bomb;

impl Future for Bomb {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a signal is dropped");
    }
}

#[tokio::test]
async fn a_signal_that_panics_when_it_is_dropped_keeps_no_task() {
    let alive = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = alive();
    let connection = crate::support::pending().abort_on(Bomb).unwrap();
    tokio::task::yield_now().await;
    connection.close(CloseReason::Shutdown).unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(alive(), before);
}

/// A signal that panics when it is polled again.
struct Panics(#[expect(dead_code, reason = "dropped")] LogOnDrop, bool);

impl Future for Panics {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        assert!(!std::mem::replace(&mut self.1, true), "in the signal");
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[tokio::test]
async fn a_signal_that_panics_is_gone_before_the_undo() {
    let log = Log::default();
    let signal = Panics(log.on_drop("signal dropped"), false);
    let mut setup = crate::support::pending()
        .abort_on(signal)
        .unwrap()
        .register()
        .unwrap();
    setup.on_close(log.adds("undone")).unwrap();
    let live = setup.go_live().unwrap();
    let settled = live.handle().settled().await;
    assert_eq!(settled.closed.reason, CloseReason::Failed);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(log.entries(), ["signal dropped", "undone"]);
}

/// What a runtime that shuts down does to the undos, the last of which is not its business.
#[test]
fn a_runtime_that_shuts_down_ends_all_undos_in_order() {
    for workers in [0, 2] {
        let runtime = match workers {
            0 => tokio::runtime::Builder::new_current_thread().build(),
            _ => tokio::runtime::Builder::new_multi_thread()
                .worker_threads(workers)
                .build(),
        }
        .unwrap();
        let log = Log::default();
        let entered = runtime.enter();
        let mut setup = crate::support::registering();
        let handle = setup.handle();
        setup.on_close(log.adds("oldest")).unwrap();
        for name in ["older", "newer"] {
            let guard = log.on_drop(name);
            setup
                .on_close_async(name, move || async move {
                    let _guard = guard;
                    pending::<()>().await;
                })
                .unwrap();
        }
        let live = setup.go_live().unwrap();
        let guard = log.on_drop("task");
        let task = live.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        drop((live, entered));
        assert!(handle.try_settled().is_none());
        drop(runtime);
        drop(task);
        let settled = handle.try_settled().expect("nothing is left to wait for");
        assert_eq!(settled.abandoned, ["newer", "older"]);
        assert_eq!(log.entries(), ["task", "newer", "older", "oldest"]);
    }
}

#[tokio::test]
async fn a_scope_is_no_longer_bound_to_a_signal_that_panics() {
    let log = Log::default();
    let scope = Scope::new();
    scope
        .abort_on(Panics(log.on_drop("signal dropped"), false))
        .unwrap();
    let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(log.entries(), ["signal dropped"]);
    // It has not fired.
    assert!(!scope.is_draining() && live.handle().state().is_live());
}

/// It is not counted as a client that vanished.
#[test]
fn a_connection_that_was_refused_a_place_is_rejected() {
    use hangup::{CloseReason, Conflict, KeyError, Registry, Scope};
    use tokio_test::{assert_ready, task};

    let (scope, workers) = (Scope::new(), Registry::new(Conflict::Reject));
    let mut first = scope.open().unwrap().register().unwrap();
    first.join(&workers, "ada", ()).unwrap();
    let mut second = scope.open().unwrap().register().unwrap();
    second.join(&workers, "ada", ()).unwrap_err();
    drop(second);
    assert_eq!(scope.stats().closed_as(CloseReason::Rejected), 1);

    // Its predecessor did not settle in time.
    let mut late = scope.open().unwrap().register().unwrap();
    let taking = late.take_over(&workers, "ada", ());
    let gave_up = task::spawn(taking.deadline(std::future::ready(()))).poll();
    assert_eq!(assert_ready!(gave_up), Err(KeyError::TimedOut));
    drop(late);
    assert_eq!(scope.stats().closed_as(CloseReason::Rejected), 2);

    // Another attempt succeeds.
    let mut third = scope.open().unwrap().register().unwrap();
    third.join(&workers, "ada", ()).unwrap_err();
    third.join(&workers, "bob", ()).unwrap();
    drop(third);
    assert_eq!(scope.stats().closed_as(CloseReason::Dropped), 1);
}
