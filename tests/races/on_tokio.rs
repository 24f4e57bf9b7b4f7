//! The races that tokio's timers and tasks have a part in, by a paused clock.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::channel::oneshot;
use futures::{StreamExt, stream};
use hangup::{CloseReason, Conflict, Deadlines, LiveStream, Registry, Scope};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{advance, sleep, timeout};
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, task};

use crate::support::log::Log;
use crate::support::{live, pending, registering};

const PERIOD: Duration = Duration::from_secs(30);

/// However it ends, the timer ends with it: it wakes nobody, and no heartbeat comes.
#[tokio::test(start_paused = true)]
async fn r3_heartbeat_without_an_abort_signal() {
    enum End {
        ClientGone,
        ClosedThenPolled,
        ClosedThenDropped,
    }
    for end in [
        End::ClientGone,
        End::ClosedThenPolled,
        End::ClosedThenDropped,
    ] {
        let (log, live) = (Log::default(), live());
        let (handle, timer) = (live.handle(), log.on_drop("timer gone"));
        let body = live
            .stream(stream::pending())
            .heartbeat(PERIOD, move || {
                let _timer = &timer;
                1
            })
            .unwrap();
        let mut body = task::spawn(body);
        assert_pending!(body.poll_next());
        advance(PERIOD).await;
        assert!(body.is_woken());
        assert_ready_eq!(body.poll_next(), Some(1));
        assert_pending!(body.poll_next());
        match end {
            End::ClientGone => drop(body),
            End::ClosedThenPolled => {
                handle.close(CloseReason::Stalled).unwrap();
                for _ in 0..2 {
                    assert_ready_eq!(body.poll_next(), None);
                    advance(PERIOD * 3).await;
                    assert!(!body.is_woken());
                }
                assert_eq!(log.entries(), ["timer gone"]);
                drop(body);
            }
            End::ClosedThenDropped => {
                handle.close(CloseReason::Idle).unwrap();
                drop(body);
            }
        }
        assert_eq!(log.entries(), ["timer gone"]);
    }
}

/// No heartbeat follows a close that is not noticed yet, however overdue it is.
#[tokio::test(start_paused = true)]
async fn r3_a_heartbeat_that_is_due_at_the_close() {
    let live = live();
    let handle = live.handle();
    let mut body = task::spawn(
        live.stream(stream::pending())
            .heartbeat(PERIOD, || 1)
            .unwrap(),
    );
    assert_pending!(body.poll_next());
    advance(PERIOD).await;
    handle.close(CloseReason::Shutdown).unwrap();
    assert_ready_eq!(body.poll_next(), None);
}

/// The undo of the old one is asynchronous, and over before the new set-up begins.
#[tokio::test]
async fn r9_async_undo_overlapping_the_successor() {
    let (log, workers) = (Log::default(), Registry::new(Conflict::Replace));
    let (pause, paused) = oneshot::channel::<()>();
    let mut old = registering();
    old.join(&workers, "ada", "old").unwrap();
    let router = log.clone();
    old.on_close_async("undo", move || async move {
        router.add("old pausing");
        paused.await.unwrap();
        router.add("old paused");
    })
    .unwrap();
    let old = old.go_live().unwrap();

    let mut new = registering();
    let mut taking = task::spawn(new.take_over(&workers, "ada", "new"));
    assert_pending!(taking.poll());
    assert!(workers.get("ada").is_none());
    while log.entries().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_pending!(taking.poll());
    pause.send(()).unwrap();
    taking.await.unwrap();
    log.add("new resumed");
    let new = new.go_live().unwrap();
    assert_eq!(log.entries(), ["old pausing", "old paused", "new resumed"]);
    assert_eq!(workers.get("ada").as_deref(), Some(&"new"));
    drop((old, new));
}

/// The successor does not wait for ever for an undo that hangs.
#[tokio::test(start_paused = true)]
async fn r9_a_successor_of_one_whose_undo_hangs() {
    let (log, workers) = (Log::default(), Registry::new(Conflict::Replace));
    let scope = Scope::builder()
        .deadlines(Deadlines::new().undo(PERIOD))
        .build();
    let mut old = scope.open().unwrap().register().unwrap();
    old.join(&workers, "ada", ()).unwrap();
    old.on_close(log.adds("older undone")).unwrap();
    let guard = log.on_drop("hanging undo dropped");
    old.on_close_async("pause ada", || async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    })
    .unwrap();
    let old = old.go_live().unwrap();
    let handle = old.handle();
    let mut new = registering();
    timeout(PERIOD * 2, new.take_over(&workers, "ada", ()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(log.entries(), ["hanging undo dropped", "older undone"]);
    assert_eq!(handle.try_settled().unwrap().abandoned, ["pause ada"]);
    drop((old, new));
}

/// Quiet streams, tasks, timers, undos that take their time and one that hangs: the
/// drain ends all of it, in time.
#[tokio::test(start_paused = true)]
async fn r14_shutdown_with_open_streams() {
    const QUIET: usize = 10;
    let (log, scope) = (Log::default(), Scope::new());
    let open = || scope.open().unwrap().register().unwrap();
    let bodies: Vec<_> = (0..QUIET)
        .map(|_| {
            let live = open().go_live().unwrap();
            live.spawn(std::future::pending::<()>());
            let body = live
                .stream(stream::pending())
                .heartbeat(PERIOD, || "ping")
                .unwrap();
            tokio::spawn(
                body.farewell(|end| (end.reason() == CloseReason::Shutdown).then_some("bye"))
                    .collect::<Vec<_>>(),
            )
        })
        .collect();
    let mut slow = open();
    let done = log.adds("slow undo done");
    slow.on_close_async("undo", || async {
        sleep(PERIOD / 4).await;
        done();
    })
    .unwrap();
    let mut hanging = open();
    hanging.on_close(log.adds("older undone")).unwrap();
    hanging
        .on_close_async("hang", std::future::pending)
        .unwrap();
    let (slow, hanging) = (slow.go_live().unwrap(), hanging.go_live().unwrap());
    // Time for a heartbeat, and no second one.
    sleep(PERIOD * 3 / 2).await;

    let begun = tokio::time::Instant::now();
    let report = scope.drain(PERIOD / 3).await.unwrap();
    assert_eq!(begun.elapsed(), PERIOD / 3);
    assert_eq!((report.closed, report.forced), (QUIET + 1, 1));
    let [overrun] = &report.abandoned[..] else {
        panic!("{report:?}");
    };
    assert_eq!((overrun.id, &overrun.undo[..]), (hanging.id(), "hang"));
    assert_eq!(report.unsettled, []);
    assert_eq!(log.entries(), ["slow undo done", "older undone"]);
    for body in bodies {
        assert_eq!(body.await.unwrap(), ["ping", "bye"]);
    }
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    drop((slow, hanging));
}

/// The whole way: the runtime's time, and a reader that has stopped.
#[tokio::test(start_paused = true)]
async fn r16_a_reader_that_stops_reading() {
    let scope = Scope::builder()
        .deadlines(Deadlines::new().stall(PERIOD))
        .build();
    let live = || scope.open().unwrap().register().unwrap().go_live().unwrap();
    let heartbeats = |live: hangup::Live| {
        let body = live.stream(stream::pending());
        Box::pin(body.heartbeat(PERIOD, || 1).unwrap())
    };
    let (mut stuck, reading) = (heartbeats(live()), heartbeats(live()));
    let reading = tokio::spawn(reading.for_each(async |_| ()));
    // It has come once, and only heartbeats to come for.
    assert_eq!(stuck.next().await, Some(1));
    let closed = timeout(PERIOD * 2, stuck.handle().closed()).await.unwrap();
    assert_eq!(closed.reason, CloseReason::Stalled);
    // The other one has come for all of them.
    advance(PERIOD * 10).await;
    assert_eq!(scope.stats().live, 1);
    reading.abort();
    assert!(reading.await.unwrap_err().is_cancelled());
    scope.begin_drain();
    scope.drained().await;
}

/// The signal is let go of by the close itself: no task has to be polled for it.
#[tokio::test]
async fn r19_closing_normally_under_a_long_lived_signal_detaches_at_once() {
    let signal = Arc::new(());
    let bound = || {
        let signal = Arc::clone(&signal);
        let never = async move {
            let _signal = signal;
            std::future::pending::<()>().await;
        };
        pending().abort_on(never).unwrap()
    };
    // Before its task was ever polled, and after.
    for polled in [false, true] {
        let connection = bound();
        if polled {
            tokio::task::yield_now().await;
        }
        assert_eq!(Arc::strong_count(&signal), 2);
        let handle = connection.handle();
        drop(connection);
        assert_eq!(Arc::strong_count(&signal), 1, "polled: {polled}");
        // Once more is no harm.
        handle.close(CloseReason::Idle).unwrap_err();
    }
    while Handle::current().metrics().num_alive_tasks() > 0 {
        tokio::task::yield_now().await;
    }
}

/// The task that feeds a stream waits for something that never comes.
#[tokio::test]
async fn r22_quiet_producer_on_a_task() {
    let (log, mut setup) = (Log::default(), registering());
    setup.on_close(log.adds("undone")).unwrap();
    let live = setup.go_live().unwrap();
    let handle = live.handle();
    let gone = log.on_drop("producer gone");
    let producer = live.spawn(async move {
        let _gone = gone;
        std::future::pending::<()>().await;
    });
    let mut body = task::spawn(live.stream(stream::poll_fn(|_| Poll::<Option<u8>>::Pending)));
    assert_pending!(body.poll_next());
    tokio::task::yield_now().await;
    // The client leaves; nothing is ever sent.
    drop(body);
    let settled = handle.settled().await;
    assert_eq!(settled.closed.reason, CloseReason::Dropped);
    // The undo of what it works with does not overlap it.
    assert_eq!(log.entries(), ["producer gone", "undone"]);
    assert_eq!(producer.await.unwrap_err(), settled.closed);
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}

/// The permit counts streams, and with it all that is undone after it was taken.
#[tokio::test]
async fn r25_permit_given_back_at_the_response_head() {
    let streams = Arc::new(Semaphore::new(1));
    let (finish, finished) = oneshot::channel::<()>();
    // The handler: when it has returned, only the response is left.
    let respond = async || -> LiveStream<_> {
        let mut setup = registering();
        let permit = Arc::clone(&streams).acquire_owned().await.unwrap();
        setup.hold(permit).unwrap();
        setup
            .on_close_async("undo", || async { finished.await.unwrap() })
            .unwrap();
        setup.go_live().unwrap().stream(stream::repeat(1))
    };
    let mut response = task::spawn(respond().await);
    assert_eq!(streams.available_permits(), 0);
    assert_ready_eq!(response.poll_next(), Some(1));
    assert_eq!(streams.available_permits(), 0);
    let handle = response.handle();
    drop(response);
    // Newest first: the slow undo may still need what the permit is for.
    tokio::task::yield_now().await;
    assert_eq!(streams.available_permits(), 0);
    finish.send(()).unwrap();
    handle.settled().await;
    assert_eq!(streams.available_permits(), 1);
}

/// A drain finds everything, whatever it is in the middle of.
#[tokio::test(start_paused = true)]
async fn r14_shutdown_of_what_cannot_be_stopped_is_reported() {
    let scope = Scope::new();
    let mut forgotten = scope.open().unwrap().register().unwrap();
    let id = forgotten.id();
    let mut step = task::spawn(forgotten.run(std::future::pending::<()>()));
    assert_pending!(step.poll());
    // The step is not polled any more.
    let report = scope.drain(PERIOD).await.unwrap();
    assert_eq!((report.closed, report.forced), (0, 0));
    assert_eq!(report.unsettled.len(), 1);
    assert_eq!(report.unsettled[0].id, id);
    let waits_for = report.unsettled[0].waits_for.as_ref().unwrap().to_string();
    assert!(waits_for.contains("on_tokio.rs"), "{waits_for}");
    let closed = assert_ready!(step.poll()).unwrap_err();
    assert_eq!(closed.reason, CloseReason::Shutdown);
    drop(step);
    drop(forgotten);
    scope.drained().await;
}
