use std::cell::Cell;
use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use hangup::report::WaitsFor;
use hangup::{CloseReason, Closed, Conflict, Registry, Scope};
use tokio::time::{Instant, timeout};
use tokio_test::{assert_pending, assert_ready, task};

use crate::bomb::TwoBombs;
use crate::support::log::Log;
use crate::support::{live, registering};

/// R28: the goodbye is a part of the connection.
#[tokio::test(start_paused = true)]
async fn r28_goodbye_after_the_end() {
    let log = Log::default();
    let scope = Scope::builder().max_connections(1).build();
    let workers = Registry::new(Conflict::Replace);
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.join(&workers, "ada", ()).unwrap();
    setup.on_close(log.adds("undone")).unwrap();
    let live = setup.go_live().unwrap();
    let handle = live.handle();
    let body = log.on_drop("loop dropped");
    let mut run = task::spawn(live.run(async move {
        let _body = body;
        pending::<()>().await;
    }));
    assert_pending!(run.poll());
    handle.close_with(CloseReason::Shutdown, "deploy").unwrap();
    assert!(run.is_woken());
    assert_eq!(handle.waits_for(), Some(WaitsFor::Owner { step: None }));
    let closing = assert_ready!(run.poll()).unwrap_err();
    assert_eq!(log.entries(), ["loop dropped"]);
    assert_eq!(closing.end().to_string(), "shutdown: deploy");

    // Take-overs, caps and `settled` wait for it.
    let mut next = registering();
    let mut taking = task::spawn(next.take_over(&workers, "ada", ()));
    let said = log.adds("goodbye");
    let (go_on, wait) = tokio::sync::oneshot::channel::<()>();
    let mut farewell = task::spawn(closing.farewell(|end| async move {
        assert_eq!(end.words.as_deref(), Some("deploy"));
        wait.await.unwrap();
        said();
        7
    }));
    assert_pending!(farewell.poll());
    assert!(matches!(handle.waits_for(), Some(WaitsFor::Farewell(_))));
    assert_pending!(taking.poll());
    assert!(scope.open().is_err());
    assert_eq!(handle.try_settled(), None);
    go_on.send(()).unwrap();
    assert!(farewell.is_woken());
    assert_eq!(assert_ready!(farewell.poll()), Some(7));
    assert_eq!(log.entries(), ["loop dropped", "goodbye", "undone"]);
    assert_eq!(handle.waits_for(), None);
    let settled = handle.try_settled().unwrap();
    assert_eq!((settled.undos_run, settled.abandoned.len()), (1, 0));
    assert!(assert_ready!(taking.poll()).is_ok());
}

/// R28: it does not wait for ever.
#[tokio::test(start_paused = true)]
async fn r28_a_goodbye_that_is_not_answered_is_cut_and_named() {
    for within in [None, Some(Duration::from_millis(20))] {
        let log = Log::default();
        let live = live();
        let handle = live.handle();
        handle.close(CloseReason::Idle).unwrap();
        let begun = Instant::now();
        let live = {
            let mut setup = registering();
            setup.on_close(log.adds("undone")).unwrap();
            setup.go_live().unwrap()
        };
        let handle = live.handle();
        let run = live.run(pending::<()>());
        handle.close(CloseReason::Idle).unwrap();
        let closing = run.await.unwrap_err();
        let dropped = log.on_drop("goodbye dropped");
        let farewell = closing.farewell(|_| async move {
            let _dropped = dropped;
            pending::<()>().await;
        });
        let farewell = match within {
            None => farewell,
            Some(time) => farewell.within(time),
        };
        assert_eq!(farewell.await, None);
        assert_eq!(begun.elapsed(), within.unwrap_or(Duration::from_secs(1)));
        assert_eq!(log.entries(), ["goodbye dropped", "undone"]);
        assert_eq!(handle.try_settled().unwrap().abandoned, ["farewell"]);
    }
}

#[tokio::test(start_paused = true)]
async fn r28_a_drain_ends_a_goodbye_at_its_deadline_and_names_it() {
    let scope = Scope::new();
    let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
    let id = live.id();
    tokio::spawn(async move {
        if let Err(closing) = live.run(pending::<()>()).await {
            let farewell = closing.farewell(|_| pending::<()>());
            farewell.within(Duration::from_secs(3600)).await;
        }
    });
    tokio::task::yield_now().await;
    let report = scope.drain(Duration::from_secs(5)).await.unwrap();
    assert_eq!((report.closed, report.forced), (0, 1));
    let abandoned: Vec<_> = report
        .abandoned
        .iter()
        .map(|it| (it.id, &it.undo[..]))
        .collect();
    assert_eq!(abandoned, [(id, "farewell")]);
}

#[test]
fn without_a_runtime_a_goodbye_does_not_begin_and_is_named() {
    let live = live();
    let handle = live.handle();
    let mut run = task::spawn(live.run(pending::<()>()));
    handle.close(CloseReason::Idle).unwrap();
    let closing = assert_ready!(run.poll()).unwrap_err();
    let begun = Cell::new(false);
    let farewell = closing.farewell(|_| {
        begun.set(true);
        pending::<()>()
    });
    assert_eq!(assert_ready!(task::spawn(farewell).poll()), None);
    assert!(!begun.get());
    assert_eq!(handle.try_settled().unwrap().abandoned, ["farewell"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_had_closed_before_its_loop_may_say_goodbye_too() {
    let live = live();
    let handle = live.handle();
    handle.close(CloseReason::Idle).unwrap();
    let settled = handle.try_settled().unwrap();
    let closing = live
        .run(async { unreachable!("closed") })
        .await
        .unwrap_err();
    assert_eq!(closing.farewell(|_| ready(1)).await, Some(1));
    assert_eq!(handle.try_settled().unwrap(), settled);
}

#[test]
fn to_drop_or_to_convert_what_is_closing_undoes() {
    for convert in [true, false] {
        let log = Log::default();
        let mut setup = registering();
        setup.on_close(log.adds("undone")).unwrap();
        let live = setup.go_live().unwrap();
        let handle = live.handle();
        let mut run = task::spawn(live.run(pending::<()>()));
        handle.close(CloseReason::Idle).unwrap();
        let closing = assert_ready!(run.poll()).unwrap_err();
        assert_eq!(log.entries(), [""; 0]);
        if convert {
            assert_eq!(Closed::from(closing).reason, CloseReason::Idle);
        } else {
            drop(closing);
        }
        assert_eq!(log.entries(), ["undone"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_goodbye_undoes() {
    let live = live();
    let handle = live.handle();
    let run = live.run(pending::<()>());
    handle.close(CloseReason::Idle).unwrap();
    let closing = run.await.unwrap_err();
    let farewell = tokio::spawn(async move {
        let said = closing.farewell(|_| async { panic!("goodbye") });
        said.await
    });
    assert!(farewell.await.unwrap_err().is_panic());
    assert_eq!(handle.try_settled().unwrap().abandoned, ["farewell"]);
}

/// The body of a loop holds something whose drop takes effect on the outside.
#[tokio::test(start_paused = true)]
async fn the_body_of_a_loop_is_gone_before_a_successor_goes_on() {
    let status = Arc::new(std::sync::Mutex::new(Vec::new()));
    struct Online(Arc<std::sync::Mutex<Vec<&'static str>>>);
    impl Drop for Online {
        fn drop(&mut self) {
            self.0.lock().unwrap().push("offline");
        }
    }
    let workers = Registry::new(Conflict::Replace);
    let mut old = registering();
    old.join(&workers, "ada", ()).unwrap();
    let old = old.go_live().unwrap();
    let online = Online(Arc::clone(&status));
    let mut run = task::spawn(old.run(async move {
        let _online = online;
        pending::<()>().await;
    }));
    assert_pending!(run.poll());
    let mut new = registering();
    let mut taking = task::spawn(new.take_over(&workers, "ada", ()));
    assert_pending!(taking.poll());
    assert_ready!(run.poll()).map_err(Closed::from).unwrap_err();
    let taken = timeout(Duration::from_secs(1), taking).await;
    assert!(taken.unwrap().is_ok());
    status.lock().unwrap().push("online");
    assert_eq!(*status.lock().unwrap(), ["offline", "online"]);
}

/// Two panics at once would abort the process.
#[tokio::test(start_paused = true)]
async fn a_goodbye_that_panics_in_its_poll_and_in_its_drop_undoes() {
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("undone")).unwrap();
    let live = setup.go_live().unwrap();
    let handle = live.handle();
    let run = live.run(pending::<()>());
    handle.close(CloseReason::Idle).unwrap();
    let closing = run.await.unwrap_err();
    let mut farewell = task::spawn(closing.farewell(|_| TwoBombs));
    assert!(catch_unwind(AssertUnwindSafe(|| farewell.poll())).is_err());
    drop(farewell);
    assert_eq!(log.entries(), ["undone"]);
    assert_eq!(handle.try_settled().unwrap().abandoned, ["farewell"]);
}
