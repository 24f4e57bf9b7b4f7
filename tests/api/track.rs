//! Work that belongs to a connection.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::channel::oneshot;
use futures::executor::block_on;
use hangup::{CloseReason, Live};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, task};

use crate::support::log::Log;
use crate::support::{live, registering};

/// Work that never ends, and says when it is gone.
async fn work(log: Log) {
    let _gone = log.on_drop("work gone");
    pending::<()>().await;
}

fn live_with_undo(log: &Log) -> Live {
    let mut setup = registering();
    setup.on_close(log.adds("undone")).unwrap();
    setup.go_live().unwrap()
}

#[test]
fn a_close_stops_the_work_and_then_the_undo_runs() {
    let log = Log::default();
    let live = live_with_undo(&log);
    let handle = live.handle();
    let mut first = task::spawn(live.track(work(log.clone())));
    let mut second = task::spawn(live.track(work(log.clone())));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    handle.close(CloseReason::Idle).unwrap();
    assert!(first.is_woken() && second.is_woken());
    assert!(log.entries().is_empty());
    assert_eq!(assert_ready_err!(first.poll()).reason, CloseReason::Idle);
    assert_eq!(log.entries(), ["work gone"]);
    assert!(handle.try_settled().is_none());
    // Polled or dropped: it is gone.
    drop(second);
    assert_eq!(log.entries(), ["work gone", "work gone", "undone"]);
    assert!(handle.try_settled().is_some());
    drop((live, first));
}

#[test]
fn a_connection_with_nothing_to_undo_waits_for_its_work_too() {
    let log = Log::default();
    let live = live();
    let handle = live.handle();
    let mut scoped = task::spawn(live.track(work(log.clone())));
    assert_pending!(scoped.poll());
    handle.close(CloseReason::Idle).unwrap();
    assert!(handle.try_settled().is_none());
    drop(scoped);
    assert_eq!(log.entries(), ["work gone"]);
    assert!(handle.try_settled().is_some());
    drop(live);
}

#[test]
fn work_that_is_complete_is_no_more_waited_for() {
    let log = Log::default();
    let live = live_with_undo(&log);
    let mut scoped = task::spawn(live.track(async { 7 }));
    assert_eq!(assert_ready!(scoped.poll()), Ok(7));
    drop(live);
    // Though the future is still there.
    assert_eq!(log.entries(), ["undone"]);
    drop(scoped);
}

#[test]
fn work_that_was_never_polled_is_waited_for_and_not_begun() {
    let log = Log::default();
    let live = live_with_undo(&log);
    let scoped = live.track(work(log.clone()));
    drop(live);
    assert!(log.entries().is_empty());
    let begun = log.clone();
    drop(scoped);
    assert_eq!(begun.entries(), ["undone"]);
}

#[test]
fn work_on_a_connection_that_has_closed_is_never_polled() {
    let live = live();
    live.handle().close(CloseReason::Idle).unwrap();
    let handle = live.handle();
    let scoped = live.track(async { panic!("polled") });
    assert!(handle.try_settled().is_some());
    assert_eq!(block_on(scoped).unwrap_err().reason, CloseReason::Idle);
}

#[test]
fn work_may_close_its_own_connection() {
    let log = Log::default();
    let live = live_with_undo(&log);
    let handle = live.handle();
    let mut scoped = task::spawn(live.track({
        let (handle, log) = (handle.clone(), log.clone());
        async move {
            handle.close(CloseReason::App(3)).unwrap();
            log.add("still at work");
            7
        }
    }));
    assert_eq!(assert_ready!(scoped.poll()), Ok(7));
    assert_eq!(log.entries(), ["still at work", "undone"]);
    drop(live);
}

#[test]
fn work_that_panics_fails_the_connection() {
    let log = Log::default();
    let live = live_with_undo(&log);
    let (handle, gone) = (live.handle(), log.on_drop("work gone"));
    let mut scoped = task::spawn(live.track(async move {
        let _gone = gone;
        panic!("at work");
    }));
    let polled = catch_unwind(AssertUnwindSafe(|| scoped.poll()));
    assert!(polled.is_err());
    assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Failed);
    drop(scoped);
    assert_eq!(log.entries(), ["work gone", "undone"]);
    drop(live);
}

#[test]
fn work_that_is_dropped_leaves_the_connection_open() {
    let (log, live) = (Log::default(), live());
    let mut scoped = task::spawn(live.track(work(log.clone())));
    assert_pending!(scoped.poll());
    drop(scoped);
    assert_eq!(log.entries(), ["work gone"]);
    assert!(live.handle().state().is_live());
}

/// The producer is told at once, and needs no event to send.
#[test]
fn work_is_woken_by_a_close_however_quiet_it_is() {
    let (_sender, quiet) = oneshot::channel::<()>();
    let live = live();
    let mut scoped = task::spawn(live.track(quiet));
    assert_pending!(scoped.poll());
    drop(live.stream(futures::stream::pending::<u8>()));
    assert!(scoped.is_woken());
    assert_ready_err!(scoped.poll());
}

/// A step and work beside it: both are stopped, in either order, and then the undo runs.
#[test]
fn work_during_the_set_up_ends_before_the_undo_too() {
    for step_first in [true, false] {
        let log = Log::default();
        let mut setup = registering();
        setup.on_close(log.adds("undone")).unwrap();
        let handle = setup.handle();
        let mut scoped = task::spawn(setup.track(work(log.clone())));
        assert_pending!(scoped.poll());
        let guard = log.on_drop("step stopped");
        let mut step = task::spawn(setup.run(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
        assert_pending!(step.poll());
        handle.close(CloseReason::Idle).unwrap();
        assert!(log.entries().is_empty());
        if step_first {
            assert_ready_err!(step.poll());
            assert_eq!(log.entries(), ["step stopped"]);
            drop(step);
            drop(setup);
            assert_ready_err!(scoped.poll());
        } else {
            assert_ready_err!(scoped.poll());
            assert_eq!(log.entries(), ["work gone"]);
            assert_ready_err!(step.poll());
            drop(step);
            drop(setup);
        }
        assert_eq!(log.entries()[2..], ["undone"]);
        assert!(handle.try_settled().is_some());
    }
}
