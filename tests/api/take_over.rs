use std::sync::Arc;

use hangup::{CloseReason, Conflict, KeyError, Registering, Registry};
use tokio_test::{
    assert_pending, assert_ready, assert_ready_eq, assert_ready_err, assert_ready_ok, task,
};

use crate::support::registering;

type Workers = Registry<&'static str, u32>;

/// One that holds the key in a step that nobody polls, and so does not settle.
fn stuck(workers: &Workers) -> task::Spawn<impl Future<Output = Registering> + use<>> {
    let mut setup = registering();
    setup.join(workers, "a", 1).unwrap();
    let mut stuck = task::spawn(async move {
        let _ = setup.run(std::future::pending::<()>()).await;
        setup
    });
    assert_pending!(stuck.poll());
    stuck
}

#[test]
fn when_the_deadline_passes_the_newcomer_has_no_place_and_the_old_one_is_closed() {
    let workers = Workers::new(Conflict::Replace);
    let mut old = stuck(&workers);
    let (pass, deadline) = tokio::sync::oneshot::channel::<()>();
    let mut new = registering();
    let mut taking = task::spawn(new.take_over(&workers, "a", 2).deadline(deadline));
    assert_pending!(taking.poll());
    assert!(old.is_woken());
    pass.send(()).unwrap();
    assert!(taking.is_woken());
    assert_ready_eq!(taking.poll(), Err(KeyError::TimedOut));
    drop(taking);
    assert_eq!(workers.close("a", CloseReason::Idle), 0);

    // It is not closed, and may go on at its own risk.
    new.join(&workers, "a", 3).unwrap();
    let new = new.go_live().unwrap();
    assert_eq!(*workers.get("a").unwrap(), 3);
    drop((new, old.poll()));
}

#[test]
fn of_many_keys_none_is_held_twice_also_after_one_was_given_back() {
    const MANY: u32 = 40;
    let rooms: Registry<u32, u32> = Registry::new(Conflict::share(2));
    let other: Registry<u32, u32> = Registry::new(Conflict::share(2));
    let mut setup = registering();
    let holds = |setup: &mut Registering, keys: u32| {
        for key in 0..keys {
            assert_eq!(setup.join(&rooms, key, 0), Err(KeyError::AlreadyJoined));
        }
    };
    for key in 0..MANY {
        setup.join(&rooms, key, 0).unwrap();
        holds(&mut setup, key + 1);
        // Under the same keys elsewhere it is free to join.
        setup.join(&other, key, 0).unwrap();
    }
    let mut old = registering();
    old.join(&rooms, MANY, 1).unwrap();
    let passed = std::future::ready(());
    let mut taking = task::spawn(setup.take_over(&rooms, MANY, 0).deadline(passed));
    assert_ready_eq!(taking.poll(), Err(KeyError::TimedOut));
    drop(taking);
    holds(&mut setup, MANY);
    drop(old);
    setup.join(&rooms, MANY, 0).unwrap();
    holds(&mut setup, MANY + 1);
    drop(setup);
    assert!(rooms.is_empty() && other.is_empty());
}

#[test]
fn a_take_over_can_be_tried_again_after_its_deadline_or_its_drop() {
    let workers = Workers::new(Conflict::Reject);
    let mut old = stuck(&workers);
    let mut new = registering();
    let passed = std::future::ready(());
    let mut taking = task::spawn(new.take_over(&workers, "a", 2).deadline(passed));
    assert_ready_eq!(taking.poll(), Err(KeyError::TimedOut));
    drop(taking);
    let mut taking = task::spawn(new.take_over(&workers, "a", 3));
    assert_pending!(taking.poll());
    drop(taking);
    let mut taking = task::spawn(new.take_over(&workers, "a", 4));
    assert_pending!(taking.poll());
    let _ = old.poll();
    assert!(taking.is_woken());
    assert_ready_ok!(taking.poll());
    drop(taking);
    let _new = new.go_live().unwrap();
    let values: Vec<_> = workers.members("a").iter().map(|member| **member).collect();
    assert_eq!(values, [4]);
}

#[test]
fn a_take_over_that_is_never_polled_does_nothing() {
    let workers = Workers::new(Conflict::Replace);
    let mut old = registering();
    old.join(&workers, "a", 1).unwrap();
    let _old = old.go_live().unwrap();
    let mut new = registering();
    drop(new.take_over(&workers, "a", 2));
    assert_eq!(*workers.get("a").unwrap(), 1);
}

#[test]
fn without_anyone_to_wait_for_no_deadline_matters() {
    let workers = Workers::new(Conflict::Replace);
    let mut new = registering();
    let passed = std::future::ready(());
    assert_ready_ok!(task::spawn(new.take_over(&workers, "a", 1).deadline(passed)).poll());
    let _new = new.go_live().unwrap();
    assert!(workers.contains("a"));
}

#[test]
fn a_newcomer_that_closes_while_it_waits_is_told() {
    let workers = Workers::new(Conflict::Replace);
    let _old = stuck(&workers);
    let mut new = registering();
    let handle = new.handle();
    let mut taking = task::spawn(new.take_over(&workers, "a", 2));
    assert_pending!(taking.poll());
    handle.close(CloseReason::Aborted).unwrap();
    assert!(taking.is_woken());
    let error = assert_ready_err!(taking.poll());
    assert_eq!(error, KeyError::Closed(handle.state().closed().unwrap()));
}

#[test]
fn a_deadline_that_panics_fails_the_connection_and_leaves_no_place() {
    let workers = Workers::new(Conflict::Reject);
    let old = stuck(&workers);
    let mut new = registering();
    let handle = new.handle();
    let deadline = async { panic!("deadline") };
    let mut taking = task::spawn(new.take_over(&workers, "a", 2).deadline(deadline));
    let poll = std::panic::AssertUnwindSafe(|| taking.poll());
    assert!(std::panic::catch_unwind(poll).is_err());
    drop(taking);
    assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Failed);
    // The old one is closed, and no other one holds the key.
    drop(new);
    assert_eq!(
        registering().join(&workers, "a", 3),
        Err(KeyError::Settling)
    );
    drop(old);
    registering().join(&workers, "a", 3).unwrap();
}

/// Until it is undone, a take-over that has closed it waits for it.
#[test]
fn a_newcomer_that_closes_while_it_waits_keeps_its_place_until_it_has_settled() {
    let registry = Registry::new(Conflict::Reject);
    let mut old = registering();
    old.join(&registry, "a", Arc::default()).unwrap();
    let mut step = task::spawn(old.run(std::future::pending::<()>()));
    assert_pending!(step.poll());
    let value = Arc::new(());
    let mut new = registering();
    let handle = new.handle();
    let mut taking = task::spawn(new.take_over(&registry, "a", Arc::clone(&value)));
    assert_pending!(taking.poll());
    handle.close(CloseReason::Idle).unwrap();
    assert_ready!(taking.poll()).unwrap_err();
    drop(taking);
    assert_eq!(Arc::strong_count(&value), 2);
    drop(new);
    assert!(handle.try_settled().is_some());
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn a_place_that_is_given_back_reports_a_value_whose_drop_panics() {
    struct Bomb(bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.0, "value");
        }
    }
    let registry = Registry::new(Conflict::Reject);
    let mut old = registering();
    old.join(&registry, "a", Bomb(false)).unwrap();
    let mut step = task::spawn(old.run(std::future::pending::<()>()));
    assert_pending!(step.poll());
    let mut new = registering();
    let handle = new.handle();
    let mut taking = task::spawn(new.take_over(&registry, "a", Bomb(true)));
    assert_pending!(taking.poll());
    drop(taking);
    drop(new);
    let settled = assert_ready!(task::spawn(handle.settled()).poll());
    assert_eq!(settled.panics, ["value"]);
}

/// It is as if it had been dropped: there are never two owners.
#[test]
fn a_take_over_that_is_forgotten_has_no_place() {
    let workers = Workers::new(Conflict::Replace);
    let _old = stuck(&workers);
    let mut new = registering();
    let mut taking = Box::pin(new.take_over(&workers, "a", 2));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(taking.as_mut().poll(&mut cx).is_pending());
    std::mem::forget(taking);
    let _new = new.go_live().unwrap();
    assert!(workers.is_empty());

    let mut new = registering();
    let mut taking = Box::pin(new.take_over(&workers, "a", 3));
    assert!(taking.as_mut().poll(&mut cx).is_pending());
    std::mem::forget(taking);
    new.join(&workers, "a", 4).unwrap();
    let _new = new.go_live().unwrap();
    assert_eq!(*workers.get("a").unwrap(), 4);
}

#[test]
fn it_tells_how_many_predecessors_there_were_and_that_they_are_undone() {
    let workers = Workers::new(Conflict::share_unbounded());
    let mut first = registering();
    let taken = assert_ready_ok!(task::spawn(first.take_over(&workers, "a", 1)).poll());
    assert_eq!((taken.predecessors, taken.is_clean()), (0, true));
    let olds: Vec<_> = (0..20).map(|_| stuck(&workers)).collect();
    let first = first.go_live().unwrap();

    let mut new = registering();
    let mut taking = task::spawn(new.take_over(&workers, "a", 2));
    assert_pending!(taking.poll());
    assert!(first.handle().try_settled().is_some());
    // A later one is no predecessor, whatever becomes of it.
    let mut later = registering();
    later.join(&workers, "a", 3).unwrap();
    later.on_close(|| panic!("later")).unwrap();
    drop(later);
    for old in olds {
        assert_pending!(taking.poll());
        drop(old);
    }
    assert!(taking.is_woken());
    let taken = assert_ready_ok!(taking.poll());
    assert_eq!((taken.predecessors, taken.unclean), (21, 0));
}

/// The undo of one that is not waited for any more when it ends counts as well.
#[test]
fn it_tells_that_an_undo_of_a_predecessor_panicked_or_was_abandoned() {
    let workers = Workers::new(Conflict::share_unbounded());
    let panics = |count| {
        let mut setup = registering();
        setup.join(&workers, "a", 1).unwrap();
        for _ in 0..count {
            setup.on_close(|| panic!("undo")).unwrap();
        }
        setup
    };
    let (one, clean, two) = (panics(1), panics(0), panics(2));
    let mut new = registering();
    let mut taking = task::spawn(new.take_over(&workers, "a", 2));
    assert_pending!(taking.poll());
    drop(one);
    assert_pending!(taking.poll());
    drop(two);
    assert_pending!(taking.poll());
    drop(clean);
    let taken = assert_ready_ok!(taking.poll());
    assert_eq!((taken.predecessors, taken.unclean), (3, 2));
    assert!(!taken.is_clean());
}

/// R23: one that waits itself hands on what it was told and what it waits for.
#[test]
fn a_predecessor_that_waits_itself_hands_on_what_it_waits_for() {
    for withdraws in [false, true] {
        let workers = Workers::new(Conflict::Replace);
        let mut unclean = registering();
        unclean.join(&workers, "a", 0).unwrap();
        unclean.on_close(|| panic!("undo")).unwrap();
        let old = stuck(&workers);
        let mut between = registering();
        let mut waiting = task::spawn(between.take_over(&workers, "a", 2));
        assert_pending!(waiting.poll());
        drop(unclean);
        assert_pending!(waiting.poll());
        let mut new = registering();
        let mut taking = task::spawn(new.take_over(&workers, "a", 3));
        if withdraws {
            // Open, so it leaves before the newcomer comes, who has its other predecessor.
            drop(waiting);
            assert_pending!(taking.poll());
            assert!(!between.handle().state().is_closed());
        } else {
            assert_pending!(taking.poll());
            assert!(between_is_superseded(&mut waiting));
            drop(waiting);
            assert_pending!(taking.poll());
        }
        drop(old);
        if !withdraws {
            assert_pending!(taking.poll());
        }
        drop(between);
        let taken = assert_ready_ok!(taking.poll());
        let expected = if withdraws { (1, 0) } else { (3, 1) };
        assert_eq!((taken.predecessors, taken.unclean), expected);
    }
}

fn between_is_superseded<F>(waiting: &mut task::Spawn<F>) -> bool
where
    F: Future<Output = Result<hangup::report::Taken, KeyError>>,
{
    let error = assert_ready_err!(waiting.poll());
    matches!(error, KeyError::Closed(closed) if closed.reason == CloseReason::Superseded)
}

#[test]
fn a_predecessor_is_told_by_whom_it_was_superseded() {
    let workers = Workers::new(Conflict::Replace);
    let mut old = registering();
    old.join(&workers, "a", 1).unwrap();
    let old = old.go_live().unwrap().handle();
    let mut taken = registering();
    assert_ready_ok!(task::spawn(taken.take_over(&workers, "a", 2)).poll());
    let taken = taken.go_live().unwrap();
    let mut joined = registering();
    joined.join(&workers, "a", 3).unwrap();
    let joined = joined.go_live().unwrap();
    let by = |handle: &hangup::Handle| handle.end().unwrap().by;
    assert_eq!(by(&taken.handle()), Some(joined.id()));
    assert!(old.state().is_closed());
}
