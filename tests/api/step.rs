use std::cell::Cell;
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::FutureExt;
use hangup::CloseReason;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};

use crate::bomb::{Bomb, TwoBombs};
use crate::support::log::Log;
use crate::support::registering;

#[test]
fn a_step_hands_out_its_output() {
    let mut setup = registering();
    assert_eq!(
        assert_ready!(task::spawn(setup.run(ready(7))).poll()),
        Ok(7)
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
    assert!(!polled.get());
}

#[test]
fn a_step_that_meets_a_close_registers_no_undo() {
    let log = Log::default();
    let mut setup = registering();
    let handle = setup.handle();
    let mut step = task::spawn(setup.run(ready(())).undo(log.adds("undone")));
    handle.close(CloseReason::Idle).unwrap();
    assert_ready!(step.poll()).unwrap_err();
    drop(step);
    drop(setup);
    assert_eq!(handle.try_settled().unwrap().undos_run, 0);
    assert_eq!(log.entries(), [""; 0]);
}

#[test]
fn the_undo_of_a_step_stays_registered_however_the_step_ends() {
    for ends in 0..3 {
        let log = Log::default();
        let mut setup = registering();
        let mut step = match ends {
            0 => task::spawn(setup.run(pending().boxed())),
            1 => task::spawn(setup.run(ready(Err(())).boxed())),
            _ => task::spawn(setup.run(ready(Ok(())).boxed())),
        };
        step = task::spawn(
            step.into_inner()
                .undo(log.adds("older"))
                .undo(log.adds("newer")),
        );
        assert_eq!(step.poll().is_pending(), ends == 0);
        drop(step);
        assert_eq!(log.entries(), [""; 0]);
        drop(setup);
        assert_eq!(log.entries(), ["newer", "older"]);
    }
}

#[test]
fn a_step_in_flight_takes_another_undo() {
    let log = Log::default();
    let mut setup = registering();
    let mut step = task::spawn(setup.run(pending::<()>()).undo(log.adds("older")));
    assert_pending!(step.poll());
    let mut step = task::spawn(step.into_inner().undo(log.adds("newer")));
    assert_pending!(step.poll());
    drop(step);
    drop(setup);
    assert_eq!(log.entries(), ["newer", "older"]);
}

#[test]
#[should_panic(expected = "the step is complete")]
fn a_completed_step_takes_no_undo() {
    let mut setup = registering();
    let mut step = task::spawn(setup.run(ready(())));
    assert_ready_ok!(step.poll());
    drop(step.into_inner().undo(|| ()));
}

#[test]
fn a_step_keeps_a_part_of_its_output() {
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("older")).unwrap();
    let guard = log.on_drop("guard dropped");
    let step = setup.run(ready((guard, 7))).hold(|output| output);
    assert_eq!(assert_ready_ok!(task::spawn(step).poll()), 7);
    let live = setup.go_live().unwrap();
    assert_eq!(log.entries(), [""; 0]);
    drop(live);
    assert_eq!(log.entries(), ["guard dropped", "older"]);
}

/// The close comes in the very poll in which the step acquires.
#[test]
fn what_a_step_keeps_is_dropped_before_the_older_undos() {
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("older")).unwrap();
    let handle = setup.handle();
    let output = (log.on_drop("guard dropped"), log.on_drop("output dropped"));
    let step = async move {
        handle.close(CloseReason::Idle).unwrap();
        output
    };
    let step = setup.run(step).hold(|output| output);
    assert!(assert_ready!(task::spawn(step).poll()).is_err());
    assert_eq!(log.entries(), ["output dropped"]);
    drop(setup);
    assert_eq!(log.entries(), ["output dropped", "guard dropped", "older"]);
}

#[test]
fn a_step_of_a_live_connection_is_stopped_before_the_undo() {
    for polled_again in [true, false] {
        let log = Log::default();
        let mut setup = registering();
        setup.on_close(log.adds("older")).unwrap();
        let mut live = setup.go_live().unwrap();
        let handle = live.handle();
        let resuming = log.on_drop("resume stopped");
        let resume = async move {
            let _resuming = resuming;
            pending::<()>().await;
        };
        let mut step = task::spawn(live.step(resume).undo(log.adds("pause")));
        assert_pending!(step.poll());
        handle.close(CloseReason::Idle).unwrap();
        assert!(step.is_woken());
        assert_eq!(log.entries(), [""; 0]);
        assert_eq!(handle.try_settled(), None);
        if polled_again {
            assert_ready!(step.poll()).unwrap_err();
        }
        drop(step);
        assert_eq!(log.entries(), ["resume stopped", "pause", "older"]);
        assert!(
            handle.try_settled().is_some(),
            "the owner that stays delays nothing"
        );
        let step = live.step(async { unreachable!("closed") });
        assert!(assert_ready!(task::spawn(step.undo(log.adds("again"))).poll()).is_err());
        assert_eq!(log.entries().len(), 3);
    }
}

#[test]
fn a_live_connection_is_undone_by_the_closer_after_its_step() {
    let log = Log::default();
    let mut live = registering().go_live().unwrap();
    let handle = live.handle();
    assert_ready_ok!(task::spawn(live.step(ready(())).undo(log.adds("undone"))).poll());
    handle.close(CloseReason::Idle).unwrap();
    assert_eq!(log.entries(), ["undone"]);
    drop(live);
}

/// The undo of a set-up is its owner's, whenever it is registered.
#[test]
fn an_undo_that_is_registered_after_the_close_runs_before_it_settles() {
    let log = Log::default();
    let mut setup = registering();
    let handle = setup.handle();
    setup.on_close(log.adds("first")).unwrap();
    handle.close(CloseReason::Idle).unwrap();
    assert_eq!(
        setup.on_close(log.adds("second")).unwrap_err().reason,
        CloseReason::Idle
    );
    assert!(setup.hold(log.on_drop("third")).is_err());
    assert_eq!(log.entries(), [""; 0]);
    assert_eq!(handle.try_settled(), None);
    drop(setup);
    assert_eq!(log.entries(), ["third", "second", "first"]);
    assert_eq!(handle.try_settled().unwrap().undos_run, 3);
}

#[test]
fn a_dropped_step_leaves_the_connection_open() {
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("undone")).unwrap();
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
    let log = Log::default();
    let mut setup = registering();
    let handle = setup.handle();
    setup.on_close(log.adds("undone")).unwrap();
    let output = log.on_drop("output");
    let step = async {
        // It closes its own connection, and completes in the same poll.
        handle.close(CloseReason::Aborted).unwrap();
        output
    };
    let closed = assert_ready!(task::spawn(setup.run(step)).poll()).unwrap_err();
    assert_eq!(closed.reason, CloseReason::Aborted);
    drop(setup);
    assert_eq!(log.entries(), ["output", "undone"]);
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
    setup.on_close(log.adds("undone")).unwrap();
    let handle = setup.handle();
    let mut step = task::spawn(setup.run(Bomb("step")));
    assert!(catch_unwind(AssertUnwindSafe(|| step.poll())).is_err());
    drop(step);
    assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Failed);
    drop(setup);
    assert_eq!(log.entries(), ["undone"]);
}

/// Two panics at once would abort the process.
#[test]
fn a_step_that_panics_in_its_poll_and_in_its_drop_fails_the_connection() {
    for live in [true, false] {
        let log = Log::default();
        let mut setup = registering();
        let handle = setup.handle();
        if live {
            let mut live = setup.go_live().unwrap();
            let mut step = task::spawn(live.step(TwoBombs).undo(log.adds("undone")));
            assert!(catch_unwind(AssertUnwindSafe(|| step.poll())).is_err());
            drop(step);
        } else {
            let mut step = task::spawn(setup.run(TwoBombs).undo(log.adds("undone")));
            assert!(catch_unwind(AssertUnwindSafe(|| step.poll())).is_err());
            drop(step);
            drop(setup);
        }
        assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Failed);
        assert_eq!(log.entries(), ["undone"]);
    }
}
