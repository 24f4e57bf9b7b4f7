//! Without a runtime: a typed error, no panic, and nothing half done.

use std::future::{pending, ready};
use std::time::Duration;

use futures::executor::block_on;
use futures::stream;
use hangup::runtime::NoRuntime;
use hangup::{CloseReason, Deadlines, Live, OpenError, Scope};

const PERIOD: Duration = Duration::from_secs(1);

fn live(scope: &Scope) -> Live {
    scope.open().unwrap().register().unwrap().go_live().unwrap()
}

#[test]
fn deadlines_without_a_runtime_refuse_to_open_and_count_nothing() {
    let deadlines = Deadlines::new().setup(PERIOD);
    let scope = Scope::builder()
        .max_connections(1)
        .deadlines(deadlines)
        .build();
    for _ in 0..2 {
        assert_eq!(scope.open().unwrap_err(), OpenError::NoRuntime);
    }
    assert_eq!(scope.stats().open(), 0);
    // Deadlines of its own that limit nothing need none, and the cap is untouched.
    assert!(scope.open_with(|_| Deadlines::new()).is_ok());

    let scope = Scope::new();
    assert_eq!(
        scope.open_with(|_| deadlines).unwrap_err(),
        OpenError::NoRuntime
    );
    assert!(scope.open().is_ok());
}

#[test]
fn a_scope_that_is_swept_by_hand_needs_no_runtime() {
    let deadlines = Deadlines::new().setup(PERIOD);
    let builder = Scope::builder().deadlines(deadlines);
    let scope = builder.swept_by_hand().build();
    let setup = scope.open().unwrap();
    let now = std::time::Instant::now();
    let swept: usize = (0..3)
        .map(|second| scope.sweep(now + second * PERIOD))
        .sum();
    assert_eq!(swept, 1);
    assert!(setup.handle().state().is_closed());
}

#[test]
fn a_heartbeat_without_a_runtime_is_an_error_and_closes() {
    let scope = Scope::new();
    let first = live(&scope);
    let handle = first.handle();
    let beating = first.stream(stream::pending()).heartbeat(PERIOD, || "beat");
    assert_eq!(beating.err(), Some(NoRuntime));
    assert_eq!(
        handle.state().closed().unwrap().reason,
        CloseReason::Dropped
    );

    #[cfg(feature = "http-body")]
    {
        let body = http_body_util::Full::<bytes::Bytes>::from("data\n\n");
        let beating = live(&scope).body(body).heartbeat(PERIOD);
        assert_eq!(beating.err(), Some(NoRuntime));
    }
    assert_eq!(scope.stats().open(), 0);
}

#[test]
fn a_drain_without_a_runtime_is_an_error_and_has_not_begun() {
    let scope = Scope::new();
    let live = live(&scope);
    let drained = block_on(async { scope.drain(PERIOD).await });
    assert_eq!(drained, Err(NoRuntime));
    assert!(!scope.is_draining());
    assert!(live.handle().state().is_live());
    assert!(scope.open().is_ok());
}

#[test]
fn a_signal_without_a_runtime_is_bound_only_if_it_has_fired() {
    let scope = Scope::new();
    let bound = scope.open().unwrap().abort_on(pending::<()>());
    assert_eq!(bound.unwrap_err(), OpenError::NoRuntime);
    let bound = scope.open().unwrap().abort_on(ready(()));
    assert!(matches!(bound.unwrap_err(), OpenError::Closed(_)));
    assert_eq!(scope.abort_on(pending::<()>()), Err(NoRuntime));
    assert!(!scope.is_draining());
    assert_eq!(scope.abort_on(ready(())), Ok(()));
    assert!(scope.is_draining());
}

#[test]
fn a_task_without_a_runtime_fails_its_connection() {
    let live = live(&Scope::new());
    let task = live.spawn(pending::<()>());
    assert_eq!(block_on(task).unwrap_err().reason, CloseReason::Failed);
    assert!(live.handle().try_settled().is_some());
}

#[test]
fn an_asynchronous_undo_without_a_runtime_is_abandoned_by_name() {
    let mut setup = Scope::new().open().unwrap().register().unwrap();
    setup.on_close_async("pause", || async {}).unwrap();
    let handle = setup.handle();
    drop(setup);
    assert_eq!(handle.try_settled().unwrap().abandoned, ["pause"]);
}
