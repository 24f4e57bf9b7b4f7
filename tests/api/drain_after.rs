//! A drain that waits for a signal, and a server that is bounded by it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use hangup::{CloseReason, OpenError, Scope};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_test::task;
use tokio_test::{assert_pending, assert_ready};

use crate::support::log::Log;

const DEADLINE: Duration = Duration::from_secs(10);

fn live(scope: &Scope) -> hangup::Live {
    scope.live().unwrap()
}

#[tokio::test(start_paused = true)]
async fn nothing_changes_before_the_signal() {
    let scope = Scope::new();
    let signal = Arc::new(Notify::new());
    let notified = Arc::clone(&signal).notified_owned();
    let log = Log::default();
    let drained = scope.drain_after(notified, DEADLINE).on_report({
        let log = log.clone();
        move |report| log.add(report.closed.to_string())
    });
    let mut drained = task::spawn(drained);
    let open = live(&scope);
    assert_pending!(drained.poll());
    assert!(scope.open().is_ok());
    signal.notify_one();
    assert!(drained.is_woken());
    assert_pending!(drained.poll());
    assert_eq!(scope.open().unwrap_err(), OpenError::Draining);
    let closed = open.handle().state().closed().unwrap();
    assert_eq!(closed.reason, CloseReason::Shutdown);
    drained.await;
    assert_eq!(log.entries(), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn the_drain_may_be_changed() {
    let scope = Scope::new();
    let _open = [live(&scope), live(&scope)];
    let begun = Instant::now();
    let drained = scope.drain_after(async {}, DEADLINE);
    let drained = drained.map_drain(|drain| drain.batch_size(1).spread(DEADLINE / 2));
    drained.await;
    assert!(begun.elapsed() > Duration::ZERO, "one at a time");
}

#[tokio::test(start_paused = true)]
async fn a_server_learns_of_the_end_of_the_drain() {
    let scope = Scope::new();
    // A connection that has not settled keeps the drain, and so the server.
    let kept = Arc::new(Notify::new());
    let undo = Arc::clone(&kept).notified_owned();
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.on_close_async("undo", || undo).unwrap();
    let open = setup.go_live().unwrap();
    let drained = scope.drain_after(async {}, DEADLINE);
    let served = scope.serve(async {
        drained.await;
        "served"
    });
    let mut served = task::spawn(served);
    assert_pending!(served.poll());
    tokio::time::advance(DEADLINE / 2).await;
    assert_pending!(served.poll());
    kept.notify_one();
    drop(open);
    assert_eq!(served.await, Some("served"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_end_is_dropped_at_the_deadline() {
    let scope = Scope::new();
    let begun = Instant::now();
    let drained = scope.drain_after(async {}, DEADLINE);
    let served = scope.serve(async {
        drained.await;
        // A peer that does not read.
        pending::<()>().await;
    });
    assert_eq!(served.await, None);
    assert_eq!(begun.elapsed(), DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_beyond_all_time_is_none() {
    let scope = Scope::new();
    let report = scope.drain(Duration::MAX).await.unwrap();
    assert_eq!(report.closed, 0);
    let mut served = task::spawn(scope.serve(pending::<()>()));
    assert_pending!(served.poll());
    let served = scope.serve(pending::<()>()).grace(DEADLINE);
    assert_eq!(served.await, None);
}

#[tokio::test(start_paused = true)]
async fn a_server_may_have_less_time_after_the_drain() {
    let scope = Scope::new();
    let begun = Instant::now();
    scope.drain(DEADLINE).await.unwrap();
    let served = scope.serve(pending::<()>()).grace(DEADLINE / 10);
    assert_eq!(served.await, None);
    assert_eq!(begun.elapsed(), DEADLINE / 10);
}

#[tokio::test(start_paused = true)]
async fn after_a_drain_that_took_all_the_time_a_server_still_says_goodbye() {
    let scope = Scope::new();
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.on_close_async("undo", pending).unwrap();
    let _open = setup.go_live().unwrap();
    let begun = Instant::now();
    let drained = scope.drain_after(async {}, DEADLINE);
    let served = scope.serve(async {
        drained.await;
        pending::<()>().await;
    });
    assert_eq!(served.await, None);
    let took = begun.elapsed();
    assert!(
        took > DEADLINE && took <= DEADLINE + Duration::from_secs(1),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_server_that_ends_by_itself_is_not_drained() {
    let scope = Scope::new();
    assert_eq!(scope.serve(async { 7 }).await, Some(7));
    assert!(scope.open().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_server_is_bounded_by_the_drain_of_a_scope_above() {
    let above = Scope::new();
    let scope = above.child().build();
    let mut served = task::spawn(scope.serve(pending::<()>()));
    assert_pending!(served.poll());
    above.drain(DEADLINE).await.unwrap();
    assert!(served.is_woken());
    let begun = Instant::now();
    assert_eq!(served.await, None);
    assert_eq!(begun.elapsed(), DEADLINE);
}

#[test]
fn without_a_runtime_all_are_closed_and_none_is_waited_for() {
    let scope = Scope::new();
    let open = live(&scope);
    let mut drained = task::spawn(scope.drain_after(async {}, DEADLINE));
    assert_ready!(drained.poll());
    assert_eq!(scope.open().unwrap_err(), OpenError::Draining);
    let closed = open.handle().state().closed().unwrap();
    assert_eq!(closed.reason, CloseReason::Shutdown);
}
