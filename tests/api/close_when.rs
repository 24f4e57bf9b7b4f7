use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use futures::channel::oneshot;
use hangup::CloseReason;
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, task};

use crate::bomb::Bomb;
use crate::support::log::Log;
use crate::support::{live, pending as pending_connection};

#[test]
fn the_signal_closes_with_the_reason() {
    let live = live();
    let handle = live.handle();
    let (fire, fired) = oneshot::channel::<()>();
    let mut bridge = task::spawn(handle.close_when(fired, CloseReason::Expired));
    assert_pending!(bridge.poll());
    assert!(handle.state().is_live());

    fire.send(()).unwrap();
    assert!(bridge.is_woken());
    let closed = assert_ready!(bridge.poll());
    assert_eq!(closed.reason, CloseReason::Expired);
    assert_eq!(handle.state().closed(), Some(closed));
}

#[test]
fn the_signal_is_dropped_when_the_connection_closes_otherwise() {
    let log = Log::default();
    let guard = log.on_drop("signal dropped");
    let live = live();
    let signal = async move {
        let _guard = guard;
        pending::<()>().await;
    };
    let mut bridge = task::spawn(live.handle().close_when(signal, CloseReason::Aborted));
    assert_pending!(bridge.poll());
    live.close(CloseReason::Completed).unwrap();
    assert!(bridge.is_woken());
    assert_eq!(assert_ready!(bridge.poll()).reason, CloseReason::Completed);
    assert_eq!(log.entries(), ["signal dropped"]);
}

#[test]
fn the_signal_is_not_polled_on_a_closed_connection() {
    let connection = pending_connection();
    let handle = connection.handle();
    connection.close(CloseReason::Idle).unwrap();
    let signal = async { unreachable!("polled") };
    let closed = handle.state().closed().unwrap();
    let mut bridge = task::spawn(handle.close_when(signal, CloseReason::Aborted));
    assert_ready_eq!(bridge.poll(), closed);
}

#[test]
fn a_bridge_that_is_dropped_leaves_the_connection_as_it_is() {
    let live = live();
    let mut bridge = task::spawn(
        live.handle()
            .close_when(pending::<()>(), CloseReason::Aborted),
    );
    assert_pending!(bridge.poll());
    drop(bridge);
    assert!(live.handle().state().is_live());
}

#[test]
fn a_signal_that_panics_fails_the_connection() {
    let live = live();
    let handle = live.handle();
    let signal = async { panic!("signal") };
    let mut bridge = task::spawn(handle.close_when(signal, CloseReason::Aborted));
    assert!(catch_unwind(AssertUnwindSafe(|| bridge.poll())).is_err());
    assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Failed);
}

#[test]
fn the_undo_runs_where_the_bridge_is_polled_and_after_the_signal() {
    let log = Log::default();
    let guard = log.on_drop("signal dropped");
    let mut setup = crate::support::registering();
    setup.on_close(log.adds("undone")).unwrap();
    let live = setup.go_live().unwrap();
    let signal = async move {
        let _guard = guard;
        ready(()).await;
    };
    let bridge: Pin<Box<dyn Future<Output = _>>> =
        Box::pin(live.handle().close_when(signal, CloseReason::Aborted));
    assert_ready!(task::spawn(bridge).poll());
    assert_eq!(log.entries(), ["signal dropped", "undone"]);
}

#[test]
fn a_signal_that_panics_when_it_is_dropped_has_closed_all_the_same() {
    let live = live();
    let handle = live.handle();
    let mut bridge = task::spawn(handle.close_when(Bomb("signal"), CloseReason::Aborted));
    assert!(catch_unwind(AssertUnwindSafe(|| bridge.poll())).is_err());
    drop(bridge);
    assert_eq!(
        handle.state().closed().unwrap().reason,
        CloseReason::Aborted
    );
}
