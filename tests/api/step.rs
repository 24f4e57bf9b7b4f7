use std::cell::Cell;
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::channel::oneshot;
use hangup::CloseReason;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};

use crate::bomb::Bomb;
use crate::support::log::Log;
use crate::support::registering;

#[test]
fn a_step_hands_out_its_output() {
    let mut setup = registering();
    assert_eq!(
        assert_ready!(task::spawn(setup.run(ready(7))).poll()),
        Ok(7)
    );
    assert_eq!(
        assert_ready!(task::spawn(setup.finish(ready("eight"))).poll()),
        Ok("eight")
    );
    drop(setup.go_live().unwrap());
}

#[test]
fn a_step_is_never_polled_on_a_closed_connection() {
    let polled = Cell::new(false);
    let mut setup = registering();
    setup.handle().close(CloseReason::Idle).unwrap();
    let step = async { polled.set(true) };
    assert_ready!(task::spawn(setup.run(step)).poll()).unwrap_err();
    let step = async { polled.set(true) };
    assert_ready!(task::spawn(setup.finish(step)).poll()).unwrap_err();
    assert!(!polled.get());
}

#[test]
fn an_unpolled_step_leaves_the_undo_to_the_closer() {
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("undone"));
    let handle = setup.handle();
    let step = setup.run(pending::<()>());
    handle.close(CloseReason::Idle).unwrap();
    assert_eq!(log.entries(), ["undone"]);
    drop(step);
}

#[test]
fn a_dropped_step_leaves_the_connection_open() {
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("undone"));
    let guard = log.on_drop("stopped");
    let mut step = task::spawn(setup.run(async move {
        let _guard = guard;
        pending::<()>().await;
    }));
    assert_pending!(step.poll());
    drop(step);
    assert_eq!(log.entries(), ["stopped"]);

    // And the next close finds no step in flight.
    let live = setup.go_live().unwrap();
    live.handle().close(CloseReason::Idle).unwrap();
    assert_eq!(log.entries(), ["stopped", "undone"]);
}

#[test]
fn a_step_that_completes_after_the_close_loses_its_output_before_the_undo() {
    for finish in [false, true] {
        let log = Log::default();
        let mut setup = registering();
        let handle = setup.handle();
        setup.on_close(log.adds("undone"));
        let output = log.on_drop("output");
        let step = async {
            // It closes its own connection, and completes in the same poll.
            handle.close(CloseReason::Aborted).unwrap();
            output
        };
        let step = if finish {
            setup.finish(step)
        } else {
            setup.run(step)
        };
        let closed = assert_ready!(task::spawn(step).poll()).unwrap_err();
        assert_eq!(closed.reason, CloseReason::Aborted);
        assert_eq!(log.entries(), ["output", "undone"]);
    }
}

#[test]
fn finish_goes_on_to_its_end_and_then_reports_the_close() {
    let log = Log::default();
    let mut setup = registering();
    let handle = setup.handle();
    setup.on_close(log.adds("undone"));
    let (done, wait) = oneshot::channel::<()>();
    let end = log.adds("step complete");
    let mut step = task::spawn(setup.finish(async move {
        wait.await.unwrap();
        end();
    }));
    assert_pending!(step.poll());
    handle.close(CloseReason::Shutdown).unwrap();
    assert_pending!(step.poll());
    assert!(log.entries().is_empty());

    done.send(()).unwrap();
    assert!(step.is_woken());
    let closed = assert_ready!(step.poll()).unwrap_err();
    assert_eq!(closed.reason, CloseReason::Shutdown);
    assert_eq!(log.entries(), ["step complete", "undone"]);
}

#[test]
fn a_step_may_be_given_a_timeout_and_tried_again() {
    let mut setup = registering();
    for _ in 0..3 {
        let mut step = task::spawn(setup.run(pending::<()>()));
        assert_pending!(step.poll());
    }
    assert_ready_ok!(task::spawn(setup.run(ready(()))).poll());
    drop(setup.go_live().unwrap());
}

#[test]
fn a_step_that_moves_to_another_task_is_woken_there() {
    let mut setup = registering();
    let handle = setup.handle();
    let mut step = Box::pin(setup.run(pending::<()>()));
    let mut first = task::spawn(());
    first.enter(|cx, _| assert_pending!(step.as_mut().poll(cx)));
    let mut second = task::spawn(());
    second.enter(|cx, _| assert_pending!(step.as_mut().poll(cx)));
    handle.close(CloseReason::Idle).unwrap();
    assert!(second.is_woken());
    assert!(!first.is_woken());
    second
        .enter(|cx, _| assert_ready!(step.as_mut().poll(cx)))
        .unwrap_err();
}

#[test]
#[should_panic(expected = "`Step` polled after completion")]
fn a_step_polled_after_completion_panics() {
    let mut setup = registering();
    let mut step = task::spawn(setup.run(ready(())));
    assert_ready_ok!(step.poll());
    let _ = step.poll();
}

#[test]
fn a_panic_in_the_drop_of_a_completed_step_fails_the_connection() {
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("undone"));
    let handle = setup.handle();
    let mut step = task::spawn(setup.run(Bomb("step")));
    assert!(catch_unwind(AssertUnwindSafe(|| step.poll())).is_err());
    drop(step);
    assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Failed);
    assert_eq!(log.entries(), ["undone"]);
}
