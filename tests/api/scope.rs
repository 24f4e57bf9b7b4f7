use hangup::{CloseReason, Closed, Phase, Refused, Scope, Stats};

use tokio_test::{assert_pending, assert_ready, task};

#[test]
fn counts_follow_the_states() {
    let scope = Scope::new();
    let count = |stats: &Stats| (stats.pending, stats.registering, stats.live);
    assert_eq!(scope.stats(), Stats::default());
    let pending = scope.open().unwrap();
    let _other = scope.open().unwrap();
    assert_eq!(count(&scope.stats()), (2, 0, 0));
    let setup = pending.register().unwrap();
    assert_eq!(count(&scope.stats()), (1, 1, 0));
    assert_eq!(scope.stats().open(), 2);
    let live = setup.go_live().unwrap();
    assert_eq!(count(&scope.stats()), (1, 0, 1));
    assert_eq!(scope.stats().open(), 2);
    drop(live);
    let stats = scope.stats();
    assert_eq!(count(&stats), (1, 0, 0));
    let dropped_live = Closed {
        reason: CloseReason::Dropped,
        from: Phase::Live,
    };
    assert_eq!(stats.closed.get(&dropped_live), Some(&1));
    assert_eq!(stats.closed_as(CloseReason::Dropped), 1);
    assert_eq!(stats.closed_as(CloseReason::Idle), 0);
}

#[test]
fn a_connection_whose_undo_has_to_wait_is_settling() {
    let scope = Scope::new();
    let mut setup = scope.open().unwrap().register().unwrap();
    let handle = setup.handle();
    let mut step = task::spawn(setup.run(std::future::pending::<()>()));
    assert_pending!(step.poll());
    handle.close(CloseReason::Idle).unwrap();
    let stats = scope.stats();
    assert_eq!((stats.open(), stats.settling), (0, 1));
    assert_eq!(stats.closed_as(CloseReason::Idle), 0);
    assert_eq!(scope.handles(), [handle]);

    assert_ready!(step.poll()).unwrap_err();
    let stats = scope.stats();
    assert_eq!((stats.open(), stats.settling), (0, 0));
    assert_eq!(stats.closed_as(CloseReason::Idle), 1);
    assert!(scope.handles().is_empty());
}

#[test]
fn undos_and_their_panics_are_counted_late_ones_included() {
    let scope = Scope::new();
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.on_close(|| {});
    setup.hold(1);
    setup.on_close(|| panic!("undo"));
    setup.handle().close(CloseReason::Idle).unwrap();
    let stats = scope.stats();
    assert_eq!((stats.undone, stats.panicked), (3, 1));
    setup.on_close(|| panic!("late"));
    setup.hold(2);
    let stats = scope.stats();
    assert_eq!((stats.undone, stats.panicked), (5, 2));
}

#[test]
fn close_all_closes_every_phase_and_says_how_many() {
    let scope = Scope::new();
    let pending = scope.open().unwrap();
    let setup = scope.open().unwrap().register().unwrap();
    let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
    live.handle().close(CloseReason::Idle).unwrap();
    assert_eq!(scope.close_all(CloseReason::Shutdown), 2);
    assert_eq!(scope.close_all(CloseReason::Shutdown), 0);
    assert_eq!(
        pending.register().unwrap_err().reason,
        CloseReason::Shutdown
    );
    assert_eq!(setup.go_live().unwrap_err().reason, CloseReason::Shutdown);
    // Not the scope's last word: without a drain it still admits.
    assert!(scope.open().is_ok());
}

#[test]
fn a_drain_refuses_and_leaves_the_open_ones_open() {
    let scope = Scope::new();
    let clone = scope.clone();
    let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
    scope.begin_drain();
    assert_eq!(clone.open().unwrap_err(), Refused::Draining);
    assert!(live.handle().state().is_live());
    assert_eq!(clone.stats().live, 1);
}

#[test]
fn a_scope_may_go_before_its_connections() {
    let scope = Scope::new();
    let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
    let handle = live.handle();
    drop(scope);
    assert!(handle.state().is_live());
    drop(live);
    assert!(handle.state().is_closed());
}
