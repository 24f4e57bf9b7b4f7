//! What each runtime must make work.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use futures::executor::block_on;
use futures::{StreamExt, stream};
use hangup::runtime::Runtime;
use hangup::{CloseReason, Deadlines, Live, OpenError, Scope, ScopeBuilder};

use crate::adapters::on_each;

const PERIOD: Duration = Duration::from_millis(40);

fn builder(runtime: Arc<dyn Runtime>) -> ScopeBuilder {
    Scope::builder().runtime(runtime)
}

fn live(scope: &Scope) -> Live {
    scope.open().unwrap().register().unwrap().go_live().unwrap()
}

#[test]
fn a_drain_waits_for_an_asynchronous_undo() {
    on_each(|runtime| {
        let scope = builder(runtime).build();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (go_on, gate) = oneshot::channel::<()>();
        let mut setup = scope.open().unwrap().register().unwrap();
        let (older, slow) = (Arc::clone(&log), Arc::clone(&log));
        setup
            .on_close(move || older.lock().unwrap().push("older"))
            .unwrap();
        setup
            .on_close_async("slow", move || async move {
                gate.await.unwrap();
                slow.lock().unwrap().push("slow");
            })
            .unwrap();
        let live = setup.go_live().unwrap();
        let handle = live.handle();
        let opener = std::thread::spawn(move || {
            block_on(handle.closed());
            go_on.send(()).unwrap();
        });
        let report = block_on(async { scope.drain(Duration::from_secs(60)).await }).unwrap();
        assert_eq!((report.closed, report.forced), (1, 0), "{report:?}");
        assert_eq!(*log.lock().unwrap(), ["slow", "older"]);
        opener.join().unwrap();
    });
}

#[test]
fn a_drain_abandons_by_name_what_overruns_its_deadline() {
    on_each(|runtime| {
        let scope = builder(runtime).build();
        let mut setup = scope.open().unwrap().register().unwrap();
        setup.on_close_async("hang", pending::<()>).unwrap();
        let (id, handle) = (setup.id(), setup.handle());
        let live = setup.go_live().unwrap();
        let begun = Instant::now();
        let report = block_on(async { scope.drain(PERIOD).await }).unwrap();
        assert!(begun.elapsed() >= PERIOD);
        assert_eq!((report.closed, report.forced), (0, 1), "{report:?}");
        assert_eq!(
            (report.abandoned[0].id, &*report.abandoned[0].undo),
            (id, "hang")
        );
        assert_eq!(handle.try_settled().unwrap().abandoned, ["hang"]);
        drop(live);
    });
}

#[test]
fn a_drain_spreads_its_batches() {
    on_each(|runtime| {
        let scope = builder(runtime).build();
        let lives: Vec<_> = (0..6).map(|_| live(&scope)).collect();
        let begun = Instant::now();
        let drain = scope.drain(Duration::from_secs(60)).batch_size(2);
        let report = block_on(async { drain.spread(PERIOD * 2).await }).unwrap();
        // The last batch comes in the last of the two slots.
        assert!(begun.elapsed() >= PERIOD);
        assert_eq!(report.closed, lives.len());
    });
}

#[test]
fn a_stream_is_never_quiet_for_longer_than_its_period() {
    on_each(|runtime| {
        let scope = builder(runtime).build();
        let begun = Instant::now();
        let events = live(&scope).stream(stream::pending());
        let beats = events.heartbeat(PERIOD, || "beat").unwrap().take(3);
        assert_eq!(block_on(beats.collect::<Vec<_>>()), ["beat"; 3]);
        assert!(begun.elapsed() >= PERIOD * 3);
    });
}

#[test]
fn a_heartbeat_comes_no_earlier_than_half_of_the_period_after_an_item() {
    on_each(|runtime| {
        let scope = builder(runtime).build();
        let source = stream::iter(["item"]).chain(stream::pending());
        let events = live(&scope).stream(source).heartbeat(PERIOD, || "beat");
        let mut events = Box::pin(events.unwrap());
        // Before the item, which is sent no earlier, however long this stands still.
        let sent = Instant::now();
        assert_eq!(block_on(events.next()), Some("item"));
        assert_eq!(block_on(events.next()), Some("beat"));
        assert!(sent.elapsed() >= PERIOD / 2);
        // The close ends a stream that only beats.
        events.handle().close(CloseReason::Shutdown).unwrap();
        assert_eq!(block_on(events.next()), None);
    });
}

#[cfg(feature = "http-body")]
#[test]
fn a_body_beats_between_its_events_alone() {
    use std::convert::Infallible;

    use bytes::Bytes;
    use futures::channel::mpsc::unbounded;
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};

    on_each(|runtime| {
        let scope = builder(runtime).build();
        let (sender, receiver) = unbounded::<Result<Frame<Bytes>, Infallible>>();
        let send = |text: &'static str| {
            let frame = Frame::data(Bytes::from_static(text.as_bytes()));
            sender.unbounded_send(Ok(frame)).unwrap();
        };
        let body = live(&scope).body(StreamBody::new(receiver));
        let mut body = Box::pin(body.heartbeat(PERIOD).unwrap());
        let mut next = || {
            let frame = block_on(body.frame()).unwrap().unwrap();
            frame.into_data().unwrap()
        };
        assert_eq!(next(), ":\n\n");
        send("data: a\n");
        assert_eq!(next(), "data: a\n");
        // Inside the event only its rest can come.
        let rest = std::thread::scope(|threads| {
            let rest = threads.spawn(&mut next);
            send("\n");
            rest.join().unwrap()
        });
        assert_eq!(rest, "\n");
        assert_eq!(next(), ":\n\n");
    });
}

#[test]
fn a_signal_aborts_a_connection_and_a_scope() {
    on_each(|runtime| {
        let scope = builder(runtime).build();
        let (fire, fired) = oneshot::channel::<()>();
        let bound = scope.open().unwrap().abort_on(fired).unwrap();
        fire.send(()).unwrap();
        let closed = block_on(bound.handle().closed());
        assert_eq!(closed.reason, CloseReason::Aborted);

        let (fire, fired) = oneshot::channel::<()>();
        scope.abort_on(fired).unwrap();
        let live = live(&scope);
        fire.send(()).unwrap();
        assert_eq!(
            block_on(live.handle().closed()).reason,
            CloseReason::Aborted
        );
        assert_eq!(scope.open().unwrap_err(), OpenError::Draining);
    });
}

#[test]
fn a_task_ends_with_its_connection_or_by_itself() {
    on_each(|runtime| {
        let scope = builder(runtime).build();
        let live = live(&scope);
        assert_eq!(block_on(live.spawn(async { 7 })), Ok(7));
        let (aborts, stays) = (live.spawn(pending::<()>()), live.spawn(pending::<()>()));
        aborts.abort();
        assert!(live.handle().state().is_live());
        let handle = live.handle();
        live.close(CloseReason::Shutdown).unwrap();
        assert_eq!(block_on(stays).unwrap_err().reason, CloseReason::Shutdown);
        // None is left when it has settled.
        block_on(handle.settled());
    });
}

#[test]
fn a_task_that_panics_fails_its_connection() {
    on_each(|runtime| {
        let scope = builder(runtime).build();
        let live = live(&scope);
        let task = live.spawn(async { panic!("at work") });
        assert_eq!(block_on(task).unwrap_err().reason, CloseReason::Failed);
        let settled = block_on(live.handle().settled());
        assert_eq!(settled.closed.reason, CloseReason::Failed);
    });
}

#[test]
fn deadlines_are_kept() {
    on_each(|runtime| {
        let deadlines = Deadlines::new().setup(PERIOD);
        let every = Duration::from_millis(1);
        let own = builder(Arc::clone(&runtime)).sweep_every(every).build();
        let of_scope = builder(runtime).deadlines(deadlines).sweep_every(every);
        let of_scope = of_scope.build();
        let begun = Instant::now();
        for setup in [
            of_scope.open().unwrap(),
            own.open_with(|_| deadlines).unwrap(),
        ] {
            let closed = block_on(setup.handle().closed());
            assert_eq!(closed.reason, CloseReason::Expired);
            assert!(begun.elapsed() >= PERIOD);
        }
    });
}

#[test]
fn an_undo_deadline_abandons_the_undo_and_the_older_ones_run() {
    on_each(|runtime| {
        let builder = builder(runtime).deadlines(Deadlines::new().undo(PERIOD));
        let scope = builder.sweep_every(Duration::from_millis(1)).build();
        let mut setup = scope.open().unwrap().register().unwrap();
        let older = Arc::new(());
        setup.hold(Arc::clone(&older)).unwrap();
        setup.on_close_async("hang", pending::<()>).unwrap();
        let handle = setup.handle();
        drop(setup);
        assert_eq!(block_on(handle.settled()).abandoned, ["hang"]);
        assert_eq!(Arc::strong_count(&older), 1);
    });
}

#[test]
fn blocking_work_runs_off_the_caller() {
    on_each(|runtime| {
        let (sender, receiver) = oneshot::channel();
        let caller = std::thread::current().id();
        runtime.spawn_blocking(Box::new(move || {
            sender.send(std::thread::current().id()).unwrap();
        }));
        assert_ne!(block_on(receiver).unwrap(), caller);
    });
}

#[test]
fn a_task_whose_future_is_not_awaited_goes_on() {
    on_each(|runtime| {
        let scope = builder(runtime).build();
        let live = live(&scope);
        let (sender, receiver) = oneshot::channel();
        drop(live.spawn(async move { sender.send(7).unwrap() }));
        assert_eq!(block_on(receiver), Ok(7));
    });
}

#[test]
fn a_task_that_is_aborted_is_dropped_and_the_connection_stays_open() {
    on_each(|runtime| {
        let scope = builder(runtime).build();
        let live = live(&scope);
        let (held, dropped) = oneshot::channel::<()>();
        let (begun, begins) = oneshot::channel();
        let task = live.spawn(async move {
            let _held = held;
            begun.send(()).unwrap();
            pending::<()>().await;
        });
        block_on(begins).unwrap();
        task.abort();
        assert!(block_on(dropped).is_err());
        assert!(live.handle().state().is_live());
    });
}
