use std::future::Future;

use hangup::CloseReason;
use hangup::report::Settled;
use tokio_test::{assert_pending, assert_ready, task};

use crate::support::log::Log;
use crate::support::{live, registering};

fn settled(handle: &hangup::Handle) -> Settled {
    assert_ready!(task::spawn(handle.settled()).poll())
}

#[test]
fn undos_run_newest_first_and_values_are_dropped_in_their_turn() {
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("first")).unwrap();
    setup.hold(log.on_drop("second")).unwrap();
    setup.on_close(log.adds("third")).unwrap();
    let live = setup.go_live().unwrap();
    let handle = live.handle();
    assert!(log.entries().is_empty());

    handle.close(CloseReason::Idle).unwrap();
    assert_eq!(log.entries(), ["third", "second", "first"]);
    drop(live);
    assert_eq!(log.entries().len(), 3);
    assert_eq!(settled(&handle).undos_run, 3);
}

#[test]
fn the_closer_runs_the_undo_while_the_owner_sleeps() {
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("undone")).unwrap();
    let live = setup.go_live().unwrap();
    let handle = live.handle();
    // The owner is stalled: it is neither polled nor dropped.
    handle.close(CloseReason::Stalled).unwrap();
    assert_eq!(log.entries(), ["undone"]);
    assert_ready!(task::spawn(handle.settled()).poll());
    drop(live);
}

#[test]
fn a_panicking_undo_stops_no_other_and_is_reported() {
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("first")).unwrap();
    setup.on_close(|| panic!("static")).unwrap();
    setup.on_close(log.adds("second")).unwrap();
    setup.on_close(|| panic!("with {}", "text")).unwrap();
    let handle = setup.handle();
    let live = setup.go_live().unwrap();
    handle.close(CloseReason::Idle).unwrap();
    assert_eq!(log.entries(), ["second", "first"]);
    let settled = settled(&handle);
    assert_eq!(settled.undos_run, 4);
    assert_eq!(settled.panics, ["with text", "static"]);
    drop(live);
}

#[test]
fn a_panicking_late_undo_stays_where_it_is() {
    let mut setup = registering();
    let handle = setup.handle();
    handle.close(CloseReason::Idle).unwrap();
    setup.on_close(|| panic!("late")).unwrap_err();
    drop(setup);
    assert_eq!(settled(&handle).panics, ["late"]);
}

#[test]
fn an_undo_may_close_and_drop_other_connections() {
    let log = Log::default();
    let mut inner = registering();
    inner.on_close(log.adds("inner")).unwrap();
    let other = live();
    let other_handle = other.handle();
    let mut setup = registering();
    let own = setup.handle();
    setup
        .on_close({
            let own = own.clone();
            move || {
                own.close(CloseReason::App(1)).unwrap_err();
                drop(inner);
                other.close(CloseReason::App(2)).unwrap();
            }
        })
        .unwrap();
    drop(setup);
    assert_eq!(log.entries(), ["inner"]);
    assert_eq!(
        other_handle.state().closed().unwrap().reason,
        CloseReason::App(2)
    );
    assert!(settled(&own).panics.is_empty());
}

#[test]
fn settled_waits_for_the_last_undo() {
    let mut setup = registering();
    let handle = setup.handle();
    let mut waiting = task::spawn(handle.settled());
    setup
        .on_close({
            let handle = handle.clone();
            move || {
                let mut early = task::spawn(handle.settled());
                assert_pending!(early.poll());
                let mut closed = task::spawn(handle.closed());
                assert_ready!(closed.poll());
            }
        })
        .unwrap();
    assert_pending!(waiting.poll());
    drop(setup);
    assert_eq!(assert_ready!(waiting.poll()).panics, [] as [&str; 0]);
}

#[test]
fn a_forgotten_step_does_not_keep_the_undo_from_running() {
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("undone")).unwrap();
    let handle = setup.handle();

    let mut step = Box::pin(setup.run(std::future::pending::<()>()));
    assert_pending!(step.as_mut().poll(&mut noop()));
    std::mem::forget(step);
    handle.close(CloseReason::Idle).unwrap();
    assert!(
        log.entries().is_empty(),
        "nobody can tell that it is forgotten"
    );
    drop(setup);
    assert_eq!(log.entries(), ["undone"]);

    // Nor does it matter once the set-up is complete.
    let mut setup = registering();
    setup.on_close(log.adds("undone too")).unwrap();
    let mut step = Box::pin(setup.run(std::future::pending::<()>()));
    assert_pending!(step.as_mut().poll(&mut noop()));
    std::mem::forget(step);
    let live = setup.go_live().unwrap();
    live.handle().close(CloseReason::Idle).unwrap();
    assert_eq!(log.entries(), ["undone", "undone too"]);
}

#[test]
fn a_step_after_a_forgotten_one_holds_the_undo_back_as_well() {
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("undone")).unwrap();
    let handle = setup.handle();
    let mut step = Box::pin(setup.run(std::future::pending::<()>()));
    assert_pending!(step.as_mut().poll(&mut noop()));
    std::mem::forget(step);

    let stopped = log.on_drop("stopped");
    let mut step = Box::pin(setup.run(async move {
        let _stopped = stopped;
        std::future::pending::<()>().await;
    }));
    assert_pending!(step.as_mut().poll(&mut noop()));
    handle.close(CloseReason::Idle).unwrap();
    assert!(log.entries().is_empty());
    drop(step);
    drop(setup);
    assert_eq!(log.entries(), ["stopped", "undone"]);
}

fn noop() -> std::task::Context<'static> {
    std::task::Context::from_waker(std::task::Waker::noop())
}
