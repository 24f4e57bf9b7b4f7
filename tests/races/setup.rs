//! The set-up is disturbed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use futures::stream;
use hangup::topic::{Replay, Retention, Topic};
use hangup::{CloseReason, KeyError, Phase, State};
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, task};

use crate::server::{InFlight, Server, points};
use crate::support::log::Log;
use crate::support::registering;

#[test]
fn r1_abort_during_async_set_up() {
    for point in 1..=points() {
        let server = Server::new();
        let mut handler = InFlight::suspended_at(&server, point);
        server.handle().close(CloseReason::Aborted).unwrap();
        let Poll::Ready(Err(error)) = handler.poll() else {
            panic!("the set-up went on after the abort at {point}");
        };
        assert_eq!(
            error.to_string(),
            "connection closed while registering: aborted"
        );
        server.assert_nothing_left();
    }
}

#[test]
fn r2_abort_between_add_and_cleanup_registration() {
    let log = Log::default();
    let server = Server::new();
    let mut setup = server.scope.open().unwrap().register().unwrap();
    setup.join(&server.workers, "ada", 1).unwrap();
    log.add("acquired");
    setup.handle().close(CloseReason::Aborted).unwrap();
    // By hand, this is the listener that is never called.
    setup.on_close(log.adds("released")).unwrap_err();
    assert_eq!(setup.go_live().unwrap_err().reason, CloseReason::Aborted);
    assert_eq!(log.entries(), ["acquired", "released"]);
    server.assert_nothing_left();
}

#[test]
fn r4_already_aborted_at_entry() {
    let log = Log::default();
    let server = Server::new();

    // Before the set-up: there is nothing to bind a timer to.
    let pending = server.scope.open().unwrap();
    pending.handle().close(CloseReason::Aborted).unwrap();
    let closed = pending.register().unwrap_err();
    assert_eq!(
        (closed.reason, closed.from),
        (CloseReason::Aborted, Phase::Pending)
    );

    // Before the timer: it is gone as soon as it is bound.
    let mut setup = server.scope.open().unwrap().register().unwrap();
    setup.handle().close(CloseReason::Aborted).unwrap();
    setup.hold(log.on_drop("timer gone")).unwrap_err();
    drop(setup);
    assert_eq!(log.entries(), ["timer gone"]);

    // Before the stream: its first poll ends it, and its timer with it.
    let live = registering().go_live().unwrap();
    live.handle().close(CloseReason::Aborted).unwrap();
    let timer = log.on_drop("stream's timer gone");
    let ticks = stream::poll_fn(move |_| {
        let _timer = &timer;
        Poll::Ready(Some("tick"))
    });
    assert_ready_eq!(task::spawn(live.stream(ticks)).poll_next(), None);
    assert_eq!(log.entries(), ["timer gone", "stream's timer gone"]);

    // Before anybody listens: a late listener is told all the same.
    let late = registering();
    late.handle().close(CloseReason::Aborted).unwrap();
    assert_ready!(task::spawn(late.handle().closed()).poll());
    drop(late);
    server.assert_nothing_left();
}

#[test]
fn r5_abort_between_the_last_check_and_the_add() {
    let server = Server::new();
    let mut setup = server.scope.open().unwrap().register().unwrap();
    // The check by hand says that all is well...
    assert_eq!(setup.handle().state(), State::Registering);
    setup.handle().close(CloseReason::Aborted).unwrap();
    // ...and the add does not go by it.
    assert!(matches!(
        setup.join(&server.workers, "ada", 1),
        Err(KeyError::Closed(_))
    ));
    drop(setup);
    server.assert_nothing_left();

    // The same with the add done and the connection not yet live.
    let mut setup = server.scope.open().unwrap().register().unwrap();
    setup.join(&server.workers, "ada", 1).unwrap();
    assert_eq!(setup.handle().state(), State::Registering);
    setup.handle().close(CloseReason::Aborted).unwrap();
    assert!(setup.go_live().is_err());
    server.assert_nothing_left();
}

#[test]
fn r10_write_fails_during_the_backlog() {
    // The backlog is written by the set-up, and a write fails.
    let server = Server::new();
    let log = Log::default();
    let result: Result<(), &str> = {
        let mut setup = server.scope.open().unwrap().register().unwrap();
        setup.join(&server.workers, "ada", 1).unwrap();
        setup.on_close(log.adds("undone")).unwrap();
        let writes = async { Err("broken pipe") };
        // `?` in a handler: the owner is dropped on the way out.
        assert_ready!(task::spawn(setup.run(writes)).poll()).unwrap()
    };
    assert_eq!(result, Err("broken pipe"));
    assert_eq!(log.entries(), ["undone"]);
    server.assert_nothing_left();

    // The backlog is streamed, and the transport gives up in the middle of it.
    let mut setup = server.scope.open().unwrap().register().unwrap();
    setup.join(&server.workers, "ada", 1).unwrap();
    let live = setup.go_live().unwrap();
    let handle = live.handle();
    let mut body = task::spawn(live.stream(stream::iter(1..=9)));
    assert_ready_eq!(body.poll_next(), Some(1));
    assert_eq!(server.workers.len(), 1);
    drop(body);
    assert_eq!(
        handle.state().closed().unwrap().reason,
        CloseReason::Dropped
    );
    server.assert_nothing_left();

    // The same with a backlog in a topic, of which nothing is copied for the client.
    let topic = Topic::new(Retention::items(100));
    let item = Arc::new(());
    for _ in 0..40 {
        topic.publish(Arc::clone(&item)).unwrap();
    }
    let mut setup = server.scope.open().unwrap().register().unwrap();
    setup.join(&server.workers, "ada", 1).unwrap();
    let live = setup.go_live().unwrap();
    let events = topic.subscribe(Replay::All).for_connection(live.handle());
    let mut body = task::spawn(live.stream(events));
    assert!(assert_ready!(body.poll_next()).is_some());
    assert_eq!((topic.subscribers(), server.workers.len()), (1, 1));
    drop(body);
    assert_eq!(topic.subscribers(), 0);
    server.assert_nothing_left();
    drop(topic);
    assert_eq!(Arc::strong_count(&item), 1);
}

#[test]
fn r12_panic_in_set_up() {
    let log = Log::default();
    let server = Server::new();
    let handler = async {
        let mut setup = server.scope.open().unwrap().register().unwrap();
        setup.join(&server.workers, "ada", 1).unwrap();
        setup.on_close(log.adds("first undone")).unwrap();
        // Even one that panics while the set-up's panic is under way.
        setup.on_close(|| panic!("undo")).unwrap();
        setup.on_close(log.adds("last undone")).unwrap();
        let guard = log.on_drop("step stopped");
        let step = async move {
            let _guard = guard;
            futures::pending!();
            panic!("set-up");
        };
        let never: Result<(), _> = setup.run(step).await;
        never.unwrap();
    };
    let mut handler = Box::pin(task::spawn(handler));
    assert_pending!(handler.poll());
    let panicked = catch_unwind(AssertUnwindSafe(|| handler.poll()));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"set-up"));
    drop(handler);
    assert_eq!(
        log.entries(),
        ["step stopped", "last undone", "first undone"]
    );
    let stats = server.scope.stats();
    assert_eq!(stats.closed_as(CloseReason::Failed), 1);
    assert_eq!((stats.undos_run, stats.panics), (3, 1));
    assert_eq!((stats.open(), stats.settling), (0, 0));
    assert!(server.workers.is_empty());

    // Between two steps: the owner goes with the handler.
    let log = Log::default();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut setup = server.scope.open().unwrap().register().unwrap();
        setup.on_close(log.adds("undone")).unwrap();
        panic!("between");
    }));
    assert!(panicked.is_err());
    assert_eq!(log.entries(), ["undone"]);
}

#[test]
fn r13_the_handler_future_is_dropped_in_mid_set_up() {
    for point in 1..=points() {
        let server = Server::new();
        let handler = InFlight::suspended_at(&server, point);
        let handle = server.handle();
        drop(handler);
        let closed = handle.state().closed().unwrap();
        assert_eq!(
            (closed.reason, closed.from),
            (CloseReason::Dropped, Phase::Registering)
        );
        server.assert_nothing_left();
    }
    // And after the last await, on the way to the transport.
    let server = Server::new();
    let mut handler = InFlight::suspended_at(&server, points());
    let Poll::Ready(Ok(body)) = handler.poll() else {
        panic!("the handler is complete");
    };
    assert_eq!(server.workers.len(), 1);
    drop(body);
    server.assert_nothing_left();
}

/// Closed from outside, and then dropped without another poll.
#[test]
fn r13_the_handler_future_is_dropped_after_an_abort() {
    for point in 1..=points() {
        let server = Server::new();
        let handler = InFlight::suspended_at(&server, point);
        server.handle().close(CloseReason::Aborted).unwrap();
        assert_eq!(server.scope.stats().settling, 1, "the step is in flight");
        drop(handler);
        assert_eq!(server.scope.stats().closed_as(CloseReason::Aborted), 1);
        server.assert_nothing_left();
    }
}
