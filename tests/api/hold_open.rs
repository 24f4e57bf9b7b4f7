//! Connections without a stream, which their scope owns.

use std::future::pending;
#[cfg(feature = "tokio")]
use std::sync::Arc;
use std::time::{Duration, Instant};

use hangup::{CloseReason, Conflict, Deadlines, Error, Live, Registry, Scope};
use tokio_test::{assert_pending, assert_ready, task};

use crate::support::log::Log;
use crate::support::timed::Timed;

const IDLE: Duration = Duration::from_secs(60);

fn timed() -> Timed {
    Timed::new(Deadlines::new().idle(IDLE))
}

#[test]
fn a_connection_that_is_held_open_is_undone_when_it_is_idle() {
    let (mut timed, log) = (timed(), Log::default());
    let sessions = Registry::new(Conflict::Reject);
    let mut setup = timed.open().register().unwrap();
    setup.join(&sessions, "5f3a", ()).unwrap();
    setup.hold(log.on_drop("dropped")).unwrap();
    let handle = setup.go_live().unwrap().hold_open().unwrap();
    timed.date();
    assert_eq!(timed.after(IDLE / 2), 0);
    sessions.get("5f3a").unwrap().handle().touch();
    timed.date();
    assert_eq!(timed.after(IDLE / 2), 0);
    assert!(handle.state().is_live() && log.entries().is_empty());

    assert_eq!(timed.after(IDLE), 1);
    assert_eq!(handle.end().unwrap().reason(), CloseReason::Idle);
    assert_eq!(log.entries(), ["dropped"]);
    assert!(sessions.is_empty() && timed.scope.handles().is_empty());
}

#[test]
fn a_close_from_anywhere_undoes_what_is_held_open() {
    let (timed, log) = (timed(), Log::default());
    let open = |undo| {
        let mut setup = timed.open().register().unwrap();
        setup.on_close(log.adds(undo)).unwrap();
        setup.go_live().unwrap().hold_open().unwrap()
    };
    let (closed, drained) = (open("closed"), open("drained"));
    closed.close(CloseReason::Completed).unwrap();
    assert_eq!(log.entries(), ["closed"]);
    timed.scope.begin_drain();
    assert_eq!(timed.scope.close_all(CloseReason::Shutdown), 1);
    assert_eq!(log.entries(), ["closed", "drained"]);
    assert_ready!(task::spawn(timed.scope.drained()).poll());
    assert!(drained.try_settled().is_some());
}

/// It would stay for ever.
#[test]
fn without_a_deadline_that_ends_it_no_connection_is_held_open() {
    let setup_only = Timed::new(Deadlines::new().setup(IDLE).stall(IDLE).quiet(IDLE));
    for scope in [Scope::new(), setup_only.scope] {
        let live = scope.live().unwrap();
        let handle = live.handle();
        assert_eq!(live.hold_open().unwrap_err(), Error::NoDeadline);
        assert_eq!(handle.end().unwrap().reason(), CloseReason::Dropped);
        assert!(scope.handles().is_empty());
    }
    let scope = Scope::builder().swept_by_hand().build();
    let now = Instant::now();
    let each: [fn(Deadlines) -> Deadlines; 2] = [|it| it.idle(IDLE), |it| it.max_age(IDLE)];
    let open = |own: &dyn Fn(Deadlines) -> Deadlines| -> Live {
        let setup = scope.open_with(own).unwrap().register().unwrap();
        setup.go_live().unwrap()
    };
    for own in each {
        assert!(open(&own).hold_open().is_ok());
    }
    assert!(open(&|it| it.expires_at(now + IDLE)).hold_open().is_ok());
    // A token that came later.
    let live = open(&|it| it.setup(IDLE));
    assert!(live.handle().expire_at(now + IDLE));
    assert!(live.hold_open().is_ok());
    // Without its scope nothing sweeps it, and nothing would end it.
    assert_eq!(scope.close_all(CloseReason::Shutdown), 4);
}

#[test]
fn what_has_closed_is_not_held_open() {
    let timed = timed();
    let live = timed.scope.live().unwrap();
    live.handle().close(CloseReason::App(3)).unwrap();
    let Error::Closed(closed) = live.hold_open().unwrap_err() else {
        panic!("it has closed");
    };
    assert_eq!(closed.reason, CloseReason::App(3));
    assert!(timed.scope.handles().is_empty());
}

/// The step has left the duty to undo to the owner, which goes.
#[test]
fn a_forgotten_step_does_not_keep_what_is_held_open_from_settling() {
    let timed = timed();
    let mut live = timed.scope.live().unwrap();
    let mut step = task::spawn(live.step(pending::<()>()));
    assert_pending!(step.poll());
    std::mem::forget(step);
    let handle = live.hold_open().unwrap();
    handle.close(CloseReason::Completed).unwrap();
    assert!(handle.try_settled().is_some());
}

/// Nothing of it is left, also when no clone of its scope is there any more.
#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn the_sweep_of_a_dropped_scope_ends_what_is_held_open() {
    let kept = Arc::new(());
    let scope = Scope::builder().deadlines(Deadlines::new().idle(IDLE));
    let scope = scope.build();
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.hold(Arc::clone(&kept)).unwrap();
    let handle = setup.go_live().unwrap().hold_open().unwrap();
    drop(scope);
    assert_eq!(handle.settled().await.closed.reason, CloseReason::Idle);
    assert_eq!(Arc::strong_count(&kept), 1);
}
