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
    let _old = stuck(&workers);
    let mut new = registering();
    let handle = new.handle();
    let deadline = async { panic!("deadline") };
    let mut taking = task::spawn(new.take_over(&workers, "a", 2).deadline(deadline));
    let poll = std::panic::AssertUnwindSafe(|| taking.poll());
    assert!(std::panic::catch_unwind(poll).is_err());
    drop(taking);
    assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Failed);
    // The old one is closed, and nobody else holds the key.
    registering().join(&workers, "a", 3).unwrap();
}

/// Whoever closes the newcomer gives its place back at once, whether it is polled or not.
#[test]
fn a_newcomer_that_closes_while_it_waits_leaves_its_value_to_nobody() {
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
    assert_eq!(Arc::strong_count(&value), 1);
    drop(taking);
    drop(new);
    assert!(handle.try_settled().is_some());
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
