//! A live stream is disturbed, or nothing disturbs it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use futures::{Stream, StreamExt, stream};
use hangup::{CloseReason, Live, LiveStream};
use tokio_test::{assert_pending, assert_ready_eq, task};

use crate::support::live;
use crate::support::log::Log;

/// A source that ticks, and a timer that lives as long as the source does.
fn heartbeat(log: &Log) -> impl Stream<Item = &'static str> + Unpin + use<> {
    let timer = log.on_drop("timer gone");
    stream::iter(["tick", "tick"]).chain(stream::poll_fn(move |_| {
        let _timer = &timer;
        Poll::Pending
    }))
}

#[test]
fn r3_heartbeat_without_an_abort_signal() {
    // However it ends, and whoever notices: the timer ends with it.
    type Body = LiveStream<Box<dyn Stream<Item = &'static str> + Unpin>>;
    type End = fn(Body) -> Option<Body>;
    let ends: [(&str, End); 4] = [
        ("client gone", |body| {
            drop(body);
            None
        }),
        ("closed, then polled", |mut body| {
            body.handle().close(CloseReason::Stalled).unwrap();
            assert_eq!(futures::executor::block_on(body.next()), None);
            Some(body)
        }),
        ("closed, then dropped", |body| {
            body.handle().close(CloseReason::Idle).unwrap();
            drop(body);
            None
        }),
        ("panic on the way", |body| {
            let panicked = catch_unwind(AssertUnwindSafe(move || {
                let _body = body;
                panic!("transport");
            }));
            assert!(panicked.is_err());
            None
        }),
    ];
    for (name, end) in ends {
        let log = Log::default();
        let source: Box<dyn Stream<Item = _> + Unpin> = Box::new(heartbeat(&log));
        let mut body = task::spawn(live().stream(source));
        assert_ready_eq!(body.poll_next(), Some("tick"));
        assert_ready_eq!(body.poll_next(), Some("tick"));
        assert_pending!(body.poll_next());
        assert!(log.entries().is_empty());
        let _kept = end(body.into_inner());
        assert_eq!(log.entries(), ["timer gone"], "{name}");
    }
}

#[test]
fn r22_quiet_producer() {
    let log = Log::default();
    let live: Live = live();
    let handle = live.handle();
    let guard = log.on_drop("source gone");
    let quiet = stream::poll_fn(move |_| {
        let _guard = &guard;
        Poll::<Option<u8>>::Pending
    });
    let mut body = task::spawn(live.stream(quiet));
    assert_pending!(body.poll_next());
    assert!(!body.is_woken());

    // No event comes, ever; the close is enough.
    handle.close(CloseReason::Shutdown).unwrap();
    assert!(body.is_woken());
    assert_ready_eq!(body.poll_next(), None);
    assert_eq!(log.entries(), ["source gone"]);
}

/// The producer learns at once that the client is gone, without an event to send.
#[test]
fn r22_quiet_producer_of_a_client_that_is_gone() {
    let live = live();
    let mut gone = task::spawn(live.handle().closed());
    let body = live.stream(stream::pending::<u8>());
    assert_pending!(gone.poll());
    drop(body);
    assert!(gone.is_woken());
}
