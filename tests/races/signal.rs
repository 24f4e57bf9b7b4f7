//! A signal meets the connection that is bound to it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures::channel::oneshot;
use hangup::{CloseReason, Closed, OpenError, Phase, Scope};
use tokio::sync::{Notify, watch};
use tokio_test::{assert_pending, task};

use crate::support::log::Log;
use crate::support::pending;

type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Signals of every kind that have fired already.
fn fired() -> [(&'static str, Signal); 3] {
    let (oneshot, received) = tokio::sync::oneshot::channel::<()>();
    oneshot.send(()).unwrap();
    let (cancel, mut cancelled) = watch::channel(false);
    cancel.send(true).unwrap();
    [
        ("ready", Box::pin(async {})),
        ("oneshot", Box::pin(async { received.await.unwrap() })),
        (
            "watch",
            Box::pin(async move {
                let _cancel = cancel;
                cancelled.wait_for(|fired| *fired).await.unwrap();
            }),
        ),
    ]
}

const ABORTED_AT_ENTRY: OpenError = OpenError::Closed(Closed {
    reason: CloseReason::Aborted,
    from: Phase::Pending,
});

#[tokio::test]
async fn r4_already_aborted_at_entry_by_its_signal() {
    for (name, signal) in fired() {
        let scope = Scope::new();
        let bound = scope.open().unwrap().abort_on(signal);
        assert_eq!(bound.unwrap_err(), ABORTED_AT_ENTRY, "{name}");
        let stats = scope.stats();
        assert_eq!((stats.open(), stats.settling), (0, 0), "{name}");
        assert_eq!(stats.closed_as(CloseReason::Aborted), 1, "{name}");
    }
}

/// A task that has used up its budget sees every tokio resource as pending.
#[tokio::test]
async fn r4_already_aborted_at_entry_of_a_busy_task() {
    for (name, signal) in fired() {
        let busy = std::future::poll_fn(|cx| {
            while tokio::task::coop::has_budget_remaining() {
                let spent = std::task::ready!(tokio::task::coop::poll_proceed(cx));
                spent.made_progress();
            }
            std::task::Poll::Ready(())
        });
        busy.await;
        let bound = pending().abort_on(signal);
        assert_eq!(bound.unwrap_err(), ABORTED_AT_ENTRY, "{name}");
    }
}

/// Nobody polls the owner: it stands still in every phase in turn.
#[tokio::test]
async fn a_signal_closes_a_connection_whose_owner_sleeps() {
    for phase in [Phase::Pending, Phase::Registering, Phase::Live] {
        let log = Log::default();
        let (fire, fired) = oneshot::channel::<()>();
        let connection = pending().abort_on(fired).unwrap();
        let handle = connection.handle();
        let mut owner: Option<Box<dyn std::any::Any>> = match phase {
            Phase::Pending => Some(Box::new(connection)),
            Phase::Registering => {
                let mut setup = connection.register().unwrap();
                setup.on_close(log.adds("undone")).unwrap();
                Some(Box::new(setup))
            }
            Phase::Live => {
                let mut setup = connection.register().unwrap();
                setup.on_close(log.adds("undone")).unwrap();
                Some(Box::new(setup.go_live().unwrap()))
            }
        };
        fire.send(()).unwrap();
        handle.closed().await;
        if phase == Phase::Registering {
            // It undoes.
            owner = None;
        }
        let settled = handle.settled().await;
        assert_eq!(settled.closed.reason, CloseReason::Aborted);
        assert_eq!(settled.closed.from, phase);
        assert_eq!(log.entries().len(), usize::from(phase != Phase::Pending));
        drop(owner);
    }
}

#[tokio::test]
async fn r19_closing_normally_under_a_long_lived_signal() {
    const CONNECTIONS: usize = 1000;
    let signal = Arc::new(Notify::new());
    for _ in 0..CONNECTIONS {
        let signal = Arc::clone(&signal);
        let connection = pending().abort_on(async move { signal.notified().await });
        let handle = connection.unwrap().handle();
        assert!(handle.state().is_closed());
    }
    // The tasks were woken by the close, and go when they are polled.
    while Arc::strong_count(&signal) > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_first_of_several_signals_aborts() {
    let (_never, first) = oneshot::channel::<()>();
    let (fire, second) = oneshot::channel::<()>();
    let connection = pending().abort_on(first).unwrap().abort_on(second).unwrap();
    let mut closed = task::spawn(connection.handle().closed());
    assert_pending!(closed.poll());
    fire.send(()).unwrap();
    assert_eq!(closed.into_inner().await.reason, CloseReason::Aborted);
}

#[test]
fn outside_a_runtime_only_what_has_fired_can_be_bound() {
    let bound = pending().abort_on(async {});
    assert_eq!(bound.unwrap_err(), ABORTED_AT_ENTRY);

    let connection = pending();
    let handle = connection.handle();
    let bound = connection.abort_on(std::future::pending::<()>());
    assert_eq!(bound.unwrap_err(), OpenError::NoRuntime);
    assert_eq!(
        handle.state().closed().unwrap().reason,
        CloseReason::Dropped
    );
}

#[test]
fn a_runtime_that_shuts_down_detaches_its_signals() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let (fire, fired) = oneshot::channel::<()>();
    let entered = runtime.enter();
    let connection = pending().abort_on(fired).unwrap();
    drop(entered);
    drop(runtime);
    assert!(fire.is_canceled());
    let live = connection.register().unwrap().go_live().unwrap();
    assert!(live.handle().state().is_live());
}
