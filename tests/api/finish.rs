use std::future::pending;
use std::sync::mpsc;
use std::time::Duration;

use hangup::report::WaitsFor;
use hangup::{CloseReason, Scope};
use tokio::sync::oneshot;
use tokio_test::{assert_pending, task};

use crate::support::log::Log;
use crate::support::registering;

#[tokio::test]
async fn work_hands_out_its_output() {
    let log = Log::default();
    let mut setup = registering();
    let finish = setup.finish("work", async { 7 }).undo(log.adds("older"));
    assert_eq!(finish.await, Ok(7));
    let blocking = setup.finish_blocking("blocking", || 8);
    assert_eq!(blocking.undo(log.adds("newer")).await, Ok(8));
    let mut live = setup.go_live().unwrap();
    assert_eq!(live.finish("live", async { 9 }).await, Ok(9));
    drop(live);
    assert_eq!(log.entries(), ["newer", "older"]);
}

/// R24: the handler is dropped in the middle, and the undo waits all the same.
#[tokio::test]
async fn r24_work_survives_its_handler_and_is_undone_after_its_end() {
    for ends_by_close in [true, false] {
        let log = Log::default();
        let mut setup = registering();
        let handle = setup.handle();
        let (go_on, wait) = oneshot::channel::<()>();
        let resumed = log.adds("resume");
        let output = log.on_drop("output dropped");
        let work = async move {
            wait.await.unwrap();
            resumed();
            output
        };
        let mut finish = task::spawn(setup.finish("resume", work).undo(log.adds("pause")));
        assert_pending!(finish.poll());
        if ends_by_close {
            handle.close(CloseReason::Aborted).unwrap();
            // The handler learns it at once; the work goes on.
            assert!(finish.is_woken());
            assert!(finish.await.is_err());
        } else {
            drop(finish);
        }
        drop(setup);
        assert_eq!(log.entries(), [""; 0]);
        match handle.waits_for() {
            Some(WaitsFor::Task {
                name: Some(name),
                place,
            }) => {
                assert_eq!(name, "resume");
                assert!(place.file().ends_with("finish.rs"));
            }
            other => panic!("{other:?}"),
        }
        go_on.send(()).unwrap();
        let settled = handle.settled().await;
        assert_eq!(log.entries(), ["resume", "output dropped", "pause"]);
        assert_eq!((settled.undos_run, settled.abandoned.len()), (1, 0));
    }
}

#[tokio::test]
async fn r24_blocking_work_is_undone_after_its_end() {
    let log = Log::default();
    let mut setup = registering();
    let handle = setup.handle();
    let (go_on, wait) = mpsc::channel::<()>();
    let resumed = log.adds("resume");
    let work = move || {
        wait.recv().unwrap();
        resumed();
    };
    let finish = setup
        .finish_blocking("resume", work)
        .undo(log.adds("pause"));
    let mut finish = task::spawn(finish);
    assert_pending!(finish.poll());
    drop(finish);
    drop(setup);
    assert_eq!(log.entries(), [""; 0]);
    go_on.send(()).unwrap();
    handle.settled().await;
    assert_eq!(log.entries(), ["resume", "pause"]);
}

#[tokio::test]
async fn work_that_meets_a_close_never_begins_and_registers_no_undo() {
    let log = Log::default();
    let mut setup = registering();
    setup.handle().close(CloseReason::Idle).unwrap();
    let work = async { unreachable!("closed") };
    let finish = setup.finish("work", work).undo(log.adds("undone"));
    assert_eq!(finish.await.unwrap_err().reason, CloseReason::Idle);
    drop(setup);
    assert_eq!(log.entries(), [""; 0]);
}

/// The output is newer than the undos, wherever it is when the connection closes.
#[tokio::test]
async fn an_output_that_was_not_handed_out_is_dropped_before_the_undo() {
    let log = Log::default();
    let mut live = registering().go_live().unwrap();
    let handle = live.handle();
    let output = log.on_drop("output dropped");
    let finish = live.finish("work", async move { output });
    let mut finish = task::spawn(finish.undo(log.adds("undone")));
    assert_pending!(finish.poll());
    while !finish.is_woken() {
        tokio::task::yield_now().await;
    }
    handle.close(CloseReason::Idle).unwrap();
    assert_eq!(log.entries(), [""; 0]);
    drop(finish);
    assert_eq!(log.entries(), ["output dropped", "undone"]);
}

#[tokio::test]
async fn work_that_panics_fails_the_connection() {
    let log = Log::default();
    let mut setup = registering();
    let handle = setup.handle();
    let finish = setup.finish("work", async { panic!("work") });
    let closed = finish.undo(log.adds("undone")).await.unwrap_err();
    assert_eq!(closed.reason, CloseReason::Failed);
    drop(setup);
    assert_eq!(log.entries(), ["undone"]);
    assert_eq!(handle.try_settled().unwrap().panics, ["work"]);
}

#[test]
fn work_without_a_runtime_fails_the_connection_and_is_named() {
    let mut setup = registering();
    let handle = setup.handle();
    let finish = task::spawn(setup.finish("work", pending::<()>())).poll();
    assert_eq!(
        tokio_test::assert_ready!(finish).unwrap_err().reason,
        CloseReason::Failed
    );
    drop(setup);
    assert_eq!(handle.try_settled().unwrap().abandoned, ["work"]);
}

/// No deadline and no drain cuts it: the report names it.
#[tokio::test(start_paused = true)]
async fn a_drain_reports_work_that_it_cannot_wait_for() {
    let scope = Scope::new();
    let mut setup = scope.open().unwrap().register().unwrap();
    let handle = setup.handle();
    let (go_on, wait) = oneshot::channel::<()>();
    let mut finish = task::spawn(setup.finish("insert", async { wait.await.unwrap() }));
    assert_pending!(finish.poll());
    drop(finish);
    drop(setup);
    let report = scope.drain(Duration::from_secs(1)).await.unwrap();
    assert_eq!(report.unsettled.len(), 1);
    assert_eq!(report.unsettled[0].id, handle.id());
    let waits_for = report.unsettled[0].waits_for.as_ref().unwrap().to_string();
    assert!(
        waits_for.starts_with("the task `insert` from "),
        "{waits_for}"
    );
    go_on.send(()).unwrap();
    handle.settled().await;
}

#[tokio::test]
async fn a_blocking_undo_holds_up_no_thread_that_closes() {
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("older")).unwrap();
    let (go_on, wait) = mpsc::channel::<()>();
    let undone = log.adds("blocking");
    let blocking = move || {
        wait.recv().unwrap();
        undone();
    };
    setup.on_close_blocking("blocking", blocking).unwrap();
    let live = setup.go_live().unwrap();
    let handle = live.handle();
    // It returns although the undo blocks.
    handle.close(CloseReason::Idle).unwrap();
    assert_eq!(log.entries(), [""; 0]);
    assert!(matches!(handle.waits_for(), Some(WaitsFor::Undo { name, .. }) if name == "blocking"));
    go_on.send(()).unwrap();
    assert_eq!(handle.settled().await.undos_run, 2);
    assert_eq!(log.entries(), ["blocking", "older"]);
    drop(live);
}

#[tokio::test(start_paused = true)]
async fn the_last_undo_runs_last_is_abandoned_last_and_knows_how_the_others_went() {
    let log = Log::default();
    let mut setup = registering();
    let handle = setup.handle();
    let told = log.clone();
    let release = {
        let handle = handle.clone();
        move || async move {
            let so_far = handle.so_far().unwrap();
            told.add(format!("released after {:?}", so_far.abandoned));
        }
    };
    setup.on_close_last("release", release).unwrap();
    setup.on_close(log.adds("older")).unwrap();
    setup.on_close_async("hangs", pending::<()>).unwrap();
    assert_eq!(handle.so_far(), None);
    drop(setup);
    tokio::task::yield_now().await;
    assert_eq!(log.entries(), [""; 0]);
    handle.abandon_undos();
    let settled = handle.settled().await;
    assert_eq!(log.entries(), ["older", "released after [\"hangs\"]"]);
    assert_eq!(
        (settled.undos_run, &settled.abandoned[..]),
        (3, &["hangs".to_owned()][..])
    );

    // It is abandoned if it is the one that runs.
    let mut setup = registering();
    let handle = setup.handle();
    setup.on_close_last("release", pending::<()>).unwrap();
    drop(setup);
    tokio::task::yield_now().await;
    handle.abandon_undos();
    assert_eq!(handle.settled().await.abandoned, ["release"]);
}
