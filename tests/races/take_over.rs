//! A newcomer takes a key over from whoever holds it.

use std::sync::mpsc;
use std::thread;

use hangup::{CloseReason, Conflict, KeyError, Registry};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};

use crate::support::log::Log;
use crate::support::registering;

/// The old one's undo is running, on another thread, while the new one comes.
#[test]
fn r9_async_undo_overlapping_the_successor() {
    let log = Log::default();
    let workers = Registry::new(Conflict::Replace);
    let mut old = registering();
    old.join(&workers, "ada", "old").unwrap();
    let (begun, has_begun) = mpsc::channel();
    let (let_go, may_go) = mpsc::channel::<()>();
    old.on_close({
        let log = log.clone();
        move || {
            begun.send(()).unwrap();
            may_go.recv().unwrap();
            log.add("old paused");
        }
    })
    .unwrap();
    let old = old.go_live().unwrap();

    thread::scope(|threads| {
        threads.spawn(|| drop(old));
        has_begun.recv().unwrap();
        let mut new = registering();
        let mut taking = task::spawn(new.take_over(&workers, "ada", "new"));
        assert_pending!(taking.poll());
        assert!(!taking.is_woken());
        let_go.send(()).unwrap();
        futures::executor::block_on(&mut *taking).unwrap();
        drop(taking);
        log.add("new resumed");
        let _new = new.go_live().unwrap();
        assert_eq!(log.entries(), ["old paused", "new resumed"]);
    });
}

/// The old one is in a step that must not be stopped half way, and its handler is gone.
#[cfg(feature = "tokio")]
#[tokio::test]
async fn r9_step_of_the_predecessor_overlapping_the_successor() {
    let log = Log::default();
    let workers = Registry::new(Conflict::Reject);
    let mut old = registering();
    old.join(&workers, "ada", "old").unwrap();
    let (resume, resumed) = tokio::sync::oneshot::channel::<()>();
    let step = {
        let log = log.clone();
        async move {
            resumed.await.unwrap();
            log.add("old resumed");
        }
    };
    let mut step = task::spawn(old.finish("resume", step).undo(log.adds("old paused")));
    assert_pending!(step.poll());

    let mut new = registering();
    let mut taking = task::spawn(new.take_over(&workers, "ada", "new"));
    assert_pending!(taking.poll());
    // The step goes on without its handler.
    assert_ready_err!(step.poll());
    drop(step);
    drop(old);
    assert_pending!(taking.poll());
    resume.send(()).unwrap();
    taking.await.unwrap();
    log.add("new resumed");
    assert_eq!(log.entries(), ["old resumed", "old paused", "new resumed"]);
    assert_eq!(workers.close("ada", CloseReason::Idle), 1);
    drop(new);
}

/// Who gives up waiting has no place, and the one after it waits all the same.
#[test]
fn r9_a_successor_that_gives_up_leaves_the_next_one_waiting() {
    let log = Log::default();
    let workers = Registry::new(Conflict::Replace);
    let mut old = registering();
    old.join(&workers, "ada", "old").unwrap();
    old.on_close(log.adds("old paused")).unwrap();
    let mut step = task::spawn(old.run(std::future::pending::<()>()));
    assert_pending!(step.poll());

    let mut hasty = registering();
    let mut taking = task::spawn(
        hasty
            .take_over(&workers, "ada", "hasty")
            .deadline(std::future::ready(())),
    );
    assert_eq!(assert_ready!(taking.poll()), Err(KeyError::TimedOut));
    drop(taking);

    let mut patient = registering();
    let mut taking = task::spawn(patient.take_over(&workers, "ada", "patient"));
    assert_pending!(taking.poll());
    // It has no place any more, so it is not superseded.
    let hasty = hasty.go_live().unwrap();
    assert!(hasty.handle().state().is_live());
    assert_pending!(taking.poll());
    assert_ready_err!(step.poll());
    drop(step);
    drop(old);
    assert_ready_ok!(taking.poll());
    assert_eq!(log.entries(), ["old paused"]);
    drop(taking);
    let patient = patient.go_live().unwrap();
    assert_eq!(workers.get("ada").as_deref(), Some(&"patient"));
    drop((hasty, patient));
}

#[test]
fn r23_take_over_of_a_connection_that_is_itself_being_set_up() {
    let log = Log::default();
    let workers = Registry::new(Conflict::Replace);
    let mut old = registering();
    old.join(&workers, "ada", "old").unwrap();
    old.on_close(log.adds("old undone")).unwrap();
    let guard = log.on_drop("old step stopped");
    let mut old_step = task::spawn(old.run(async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    }));
    assert_pending!(old_step.poll());

    let mut new = registering();
    let mut taking = task::spawn(new.take_over(&workers, "ada", "new"));
    assert_pending!(taking.poll());
    assert_ready!(old_step.poll()).unwrap_err();
    drop(old_step);
    assert_pending!(taking.poll());
    assert_eq!(old.go_live().unwrap_err().reason, CloseReason::Superseded);
    assert_ready_ok!(taking.poll());
    drop(taking);
    log.add("new set-up");
    let new = new.go_live().unwrap();
    assert_eq!(*workers.get("ada").unwrap(), "new");
    assert_eq!(
        log.entries(),
        ["old step stopped", "old undone", "new set-up"]
    );
    drop(new);
}

/// Of two that wait for the same predecessor the later one wins, and the earlier one
/// does not stay behind.
#[test]
fn r23_two_take_overs_of_one_that_is_itself_being_set_up() {
    let log = Log::default();
    let workers = Registry::new(Conflict::Replace);
    let mut old = registering();
    old.join(&workers, "ada", "old").unwrap();
    old.on_close(log.adds("old undone")).unwrap();
    let mut old_step = task::spawn(old.run(std::future::pending::<()>()));
    assert_pending!(old_step.poll());

    let (mut earlier, mut later) = (registering(), registering());
    earlier.on_close(log.adds("earlier undone")).unwrap();
    let mut first = task::spawn(earlier.take_over(&workers, "ada", "earlier"));
    assert_pending!(first.poll());
    let mut second = task::spawn(later.take_over(&workers, "ada", "later"));
    assert_pending!(second.poll());
    assert!(first.is_woken());
    let refused = assert_ready_err!(first.poll());
    assert!(
        matches!(refused, KeyError::Closed(closed) if closed.reason == CloseReason::Superseded)
    );

    drop(first);
    drop(earlier);
    assert_eq!(log.entries(), ["earlier undone"]);
    assert_ready_err!(old_step.poll());
    drop(old_step);
    drop(old);
    assert_ready_ok!(second.poll());
    assert_eq!(log.entries(), ["earlier undone", "old undone"]);
    drop(second);
    let later = later.go_live().unwrap();
    assert_eq!(
        (workers.len(), workers.get("ada").as_deref()),
        (1, Some(&"later"))
    );
    drop(later);
}
