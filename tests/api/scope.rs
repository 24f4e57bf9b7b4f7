use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;

use hangup::report::Stats;
use hangup::{CloseReason, Closed, Conflict, Handle, Live, OpenError, Phase, Registry, Scope};
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
    drop(step);
    drop(setup);
    let stats = scope.stats();
    assert_eq!((stats.open(), stats.settling), (0, 0));
    assert_eq!(stats.closed_as(CloseReason::Idle), 1);
    assert!(scope.handles().is_empty());
}

#[test]
fn undos_and_their_panics_are_counted() {
    let scope = Scope::new();
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.on_close(|| {}).unwrap();
    setup.hold(1).unwrap();
    setup.on_close(|| panic!("undo")).unwrap();
    setup.handle().close(CloseReason::Idle).unwrap();
    setup.on_close(|| panic!("late")).unwrap_err();
    setup.hold(2).unwrap_err();
    assert_eq!(scope.stats().undos_run, 0);
    drop(setup);
    let stats = scope.stats();
    assert_eq!((stats.undos_run, stats.panics), (5, 2));
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
    assert_eq!(clone.open().unwrap_err(), OpenError::Draining);
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

#[test]
fn the_cap_counts_from_open_until_settled() {
    let scope = Scope::builder().max_connections(2).build();
    let first = scope.open().unwrap();
    let mut second = scope.open().unwrap().register().unwrap();
    assert_eq!(scope.open().unwrap_err(), OpenError::Full);
    drop(first);
    let third = scope.open().unwrap();
    assert_eq!(scope.open().unwrap_err(), OpenError::Full);

    // Closed, but not undos_run: it still holds what it acquired.
    let handle = second.handle();
    let mut step = task::spawn(second.run(std::future::pending::<()>()));
    assert_pending!(step.poll());
    handle.close(CloseReason::Idle).unwrap();
    assert_eq!(scope.open().unwrap_err(), OpenError::Full);
    assert_ready!(step.poll()).unwrap_err();
    drop(step);
    drop(second);
    let fourth = scope.open().unwrap();
    assert_eq!(scope.open().unwrap_err(), OpenError::Full);
    // Of the two reasons the one that is final is given.
    scope.begin_drain();
    assert_eq!(scope.open().unwrap_err(), OpenError::Draining);
    drop((third, fourth));

    let nobody = Scope::builder().max_connections(0).build();
    assert_eq!(nobody.open().unwrap_err(), OpenError::Full);
}

#[test]
fn settled_resolves_when_the_gate_is_shut_and_all_have_settled() {
    let scope = Scope::new();
    let mut settled = task::spawn(scope.drained());
    assert_pending!(settled.poll());
    let pending = scope.open().unwrap();
    drop(scope.open().unwrap());
    // Empty or not, the gate is open.
    assert!(!settled.is_woken());
    assert!(!scope.is_draining());
    scope.begin_drain();
    assert!(scope.is_draining());
    assert_pending!(settled.poll());
    drop(pending);
    assert!(settled.is_woken());
    assert_ready!(settled.poll());
    assert_ready!(task::spawn(scope.drained()).poll());

    // Empty already: the gate is the last to shut.
    let scope = Scope::default();
    let mut settled = task::spawn(scope.drained());
    let mut gives_up = task::spawn(scope.drained());
    assert_pending!(settled.poll());
    assert_pending!(gives_up.poll());
    drop(gives_up);
    scope.begin_drain();
    assert!(settled.is_woken());
    assert_ready!(settled.poll());
    scope.begin_drain();
}

/// R14: wherever the one is kept that has not settled.
#[test]
fn settled_waits_for_the_last_one_whichever_that_is() {
    // More than there are parts of a scope, each of which gets a few in a row.
    let (other, mut opened) = (Scope::new(), 0);
    while opened < 64 * 600 {
        let scope = Scope::new();
        let last = scope.open().unwrap();
        opened += 1;
        // Nothing else is in it, and the next one is in the next part.
        while opened % 64 != 0 {
            drop(other.open().unwrap());
            opened += 1;
        }
        scope.begin_drain();
        let mut settled = task::spawn(scope.drained());
        assert_pending!(settled.poll());
        drop(last);
        assert!(settled.is_woken());
        assert_ready!(settled.poll());
    }
}

#[test]
fn settled_says_that_every_connection_has_settled() {
    let scope = Scope::new();
    let lives: Vec<_> = (0..100).map(|_| scope.open().unwrap()).collect();
    let handles = scope.handles();
    assert!(handles.is_sorted_by_key(Handle::id));
    assert_eq!(handles.len(), 100);
    scope.begin_drain();
    drop(lives);
    assert_ready!(task::spawn(scope.drained()).poll());
    for handle in handles {
        assert_ready!(task::spawn(handle.settled()).poll());
    }
}

#[test]
fn no_two_connections_have_one_id_whichever_threads_open_them() {
    let scope = Scope::new();
    let open_many = || -> Vec<_> { (0..1000).map(|_| scope.open().unwrap().id()).collect() };
    let ids = thread::scope(|threads| {
        let opening = [(); 3].map(|()| threads.spawn(open_many));
        opening.map(|opening| opening.join().unwrap())
    });
    // Those of one thread in the order in which it opened them.
    assert!(ids.iter().all(|ids| ids.is_sorted()));
    let distinct: HashSet<_> = ids.iter().flatten().collect();
    assert_eq!(distinct.len(), 3000);
}

#[test]
fn many_come_and_go_in_any_order() {
    let scope = Scope::new();
    let mut open: Vec<_> = (0..5000).map(|_| scope.open().unwrap()).collect();
    // Every other one, from both ends.
    let mut index = 0;
    open.retain(|_| {
        index += 1;
        index % 2 == 0
    });
    assert_eq!(scope.stats().pending, 2500);
    let ids: Vec<_> = open.iter().map(|pending| pending.id()).collect();
    let found: Vec<_> = scope.handles().iter().map(Handle::id).collect();
    assert_eq!(found, ids);
    open.reverse();
    drop(open);
    assert_eq!(scope.stats().open(), 0);
    assert_eq!(scope.stats().closed_as(CloseReason::Dropped), 5000);
}

#[test]
fn a_waiter_that_is_dropped_leaves_no_waker_behind() {
    struct Nothing;
    impl Wake for Nothing {
        fn wake(self: Arc<Self>) {}
    }
    let scope = Scope::new();
    let nothing = Arc::new(Nothing);
    let waker = Waker::from(Arc::clone(&nothing));
    let mut drained = Box::pin(scope.drained());
    let mut cx = Context::from_waker(&waker);
    assert!(drained.as_mut().poll(&mut cx).is_pending());
    assert!(drained.as_mut().poll(&mut cx).is_pending());
    assert_eq!(Arc::strong_count(&nothing), 3);
    drop(drained);
    assert_eq!(Arc::strong_count(&nothing), 2);
}

/// Those without an undo settle together, and the others in between.
#[test]
fn close_all_settles_each_once_whatever_scope_it_is_of_and_whatever_it_undoes() {
    const MANY: usize = 300;
    let undone = Arc::new(AtomicUsize::new(0));
    let scope = Scope::builder().max_connections(2 * MANY).build();
    let child = scope.child().max_connections(MANY).build();
    let (registry, mut lives) = (Registry::new(Conflict::Reject), Vec::new());
    for number in 0..2 * MANY {
        let of = if number % 2 == 0 { &scope } else { &child };
        let mut setup = of.open().unwrap().register().unwrap();
        match number % 3 {
            0 => {}
            1 => setup.join(&registry, number, ()).unwrap(),
            _ => {
                setup.join(&registry, number, ()).unwrap();
                let undone = Arc::clone(&undone);
                setup
                    .on_close(move || _ = undone.fetch_add(1, Ordering::Relaxed))
                    .unwrap();
            }
        }
        lives.push(setup.go_live().unwrap());
    }
    assert_eq!(scope.open().unwrap_err(), OpenError::Full);
    // A few are waited for.
    let mut waits: Vec<_> = lives
        .iter()
        .step_by(5)
        .map(|live| task::spawn(live.handle().settled()))
        .collect();
    for wait in &mut waits {
        assert_pending!(wait.poll());
    }

    assert_eq!(scope.close_all(CloseReason::Shutdown), 2 * MANY);

    for mut wait in waits {
        assert!(wait.is_woken());
        assert_ready!(wait.poll());
    }
    assert_eq!(undone.load(Ordering::Relaxed), 2 * MANY / 3);
    let has_settled = |live: &Live| live.handle().try_settled().is_some();
    assert!(lives.iter().all(has_settled));
    for (scope, many) in [(&scope, 2 * MANY), (&child, MANY)] {
        let stats = scope.stats();
        assert_eq!((stats.open(), stats.settling), (0, 0));
        assert_eq!(stats.closed_as(CloseReason::Shutdown), many as u64);
    }
    let again: Vec<_> = (0..MANY).map(|_| child.open().unwrap()).collect();
    assert_eq!(child.open().unwrap_err(), OpenError::Full);
    drop((again, lives));
}
