//! The reader stops reading, and nothing fails.

use std::task::Poll;
use std::time::Duration;

use futures::channel::mpsc;
use futures::stream;
use hangup::{CloseReason, Deadlines, Handle, Live};
use tokio_test::{assert_pending, assert_ready_eq, task};

use crate::support::log::Log;
use crate::support::timed::Timed;

const LIMIT: Duration = Duration::from_secs(30);
const ALMOST: Duration = Duration::from_secs(29);

fn timed() -> Timed {
    Timed::new(Deadlines::new().stall(LIMIT))
}

fn live(timed: &Timed, log: &Log) -> Live {
    let mut setup = timed.open().register().unwrap();
    setup.on_close(log.adds("undone")).unwrap();
    setup.go_live().unwrap()
}

/// Nothing else happens for this long; how many are closed?
fn pass(timed: &mut Timed, time: Duration) -> usize {
    timed.date();
    timed.after(time)
}

fn reason(handle: &Handle) -> Option<CloseReason> {
    handle.state().closed().map(|closed| closed.reason)
}

/// It was given an item, and does not come for the next.
#[test]
fn r16_a_reader_that_stops_reading() {
    let (log, mut timed) = (Log::default(), timed());
    let live = live(&timed, &log);
    let handle = live.handle();
    let mut body = task::spawn(live.stream(stream::repeat(1)).farewell(|_| Some(0)));
    for _ in 0..10 {
        assert_ready_eq!(body.poll_next(), Some(1));
        assert_eq!(pass(&mut timed, ALMOST), 0);
    }
    assert_ready_eq!(body.poll_next(), Some(1));
    assert_eq!(pass(&mut timed, LIMIT), 1);
    assert_eq!(reason(&handle), Some(CloseReason::Stalled));
    // The body is still held, and all is undone.
    assert_eq!(log.entries(), ["undone"]);
    assert!(handle.try_settled().is_some());
    // It has come back after all.
    assert_ready_eq!(body.poll_next(), Some(0));
    assert_ready_eq!(body.poll_next(), None);
}

/// It has waited for something, and does not come for it.
#[test]
fn r16_a_reader_that_does_not_come_when_it_is_woken() {
    let (log, mut timed) = (Log::default(), timed());
    let (items, source) = mpsc::unbounded();
    let live = live(&timed, &log);
    let handle = live.handle();
    let mut body = task::spawn(live.stream(source));
    for item in 0..3 {
        // However long it is quiet, the reader is where it should be.
        assert_pending!(body.poll_next());
        assert_eq!(pass(&mut timed, LIMIT * 10), 0);
        assert!(!body.is_woken());
        items.unbounded_send(item).unwrap();
        assert!(body.is_woken());
        assert_eq!(pass(&mut timed, ALMOST), 0);
        assert_ready_eq!(body.poll_next(), Some(item));
    }
    assert_pending!(body.poll_next());
    items.unbounded_send(3).unwrap();
    assert_eq!(pass(&mut timed, LIMIT), 1);
    assert_eq!(reason(&handle), Some(CloseReason::Stalled));
    assert_eq!(log.entries(), ["undone"]);
    drop(body);
}

/// A source that wakes it again and again does not give it more time.
#[test]
fn r16_a_reader_that_is_woken_again_and_does_not_come() {
    let (log, mut timed) = (Log::default(), timed());
    let live = live(&timed, &log);
    let handle = live.handle();
    let (send_waker, wakers) = std::sync::mpsc::channel();
    let mut body = task::spawn(live.stream(stream::poll_fn(move |cx| {
        send_waker.send(cx.waker().clone()).unwrap();
        Poll::<Option<u8>>::Pending
    })));
    assert_pending!(body.poll_next());
    let source = wakers.recv().unwrap();
    source.wake_by_ref();
    assert_eq!(pass(&mut timed, ALMOST), 0);
    source.wake_by_ref();
    assert_eq!(timed.after(LIMIT - ALMOST), 1);
    assert_eq!(reason(&handle), Some(CloseReason::Stalled));
    // However late it comes, it is no harm.
    drop(body);
    source.wake();
    assert_eq!(log.entries(), ["undone"]);
}

/// It is polled by another task from now on, which is woken instead.
#[test]
fn r16_a_watched_reader_that_moves_is_woken_where_it_is() {
    let (log, mut timed) = (Log::default(), timed());
    let (items, source) = mpsc::unbounded();
    let mut old = task::spawn(live(&timed, &log).stream(source));
    assert_pending!(old.poll_next());
    let mut new = task::spawn(old.into_inner());
    assert_pending!(new.poll_next());
    items.unbounded_send(1).unwrap();
    assert!(new.is_woken());
    assert_ready_eq!(new.poll_next(), Some(1));
    assert_pending!(new.poll_next());
    let handle = new.handle();
    handle.close(CloseReason::Idle).unwrap();
    assert!(new.is_woken());
    assert_ready_eq!(new.poll_next(), None);
    assert_eq!(pass(&mut timed, LIMIT), 0);
}

/// A body is read like a stream.
#[cfg(feature = "http-body")]
#[test]
fn r16_a_server_that_stops_polling_a_body() {
    use bytes::Bytes;
    use http_body::{Body, Frame};
    use http_body_util::StreamBody;
    use tokio_test::assert_ready;

    let (log, mut timed) = (Log::default(), timed());
    let chunks = stream::repeat_with(|| Ok::<_, ()>(Frame::data(Bytes::from_static(b"x"))));
    let live = live(&timed, &log);
    let handle = live.handle();
    let mut body = task::spawn(live.body(StreamBody::new(chunks)));
    for _ in 0..10 {
        let frame = assert_ready!(body.enter(|cx, body| body.poll_frame(cx)));
        assert!(frame.unwrap().unwrap().is_data());
        assert_eq!(pass(&mut timed, ALMOST), 0);
    }
    assert_eq!(timed.after(LIMIT - ALMOST), 1);
    assert_eq!(reason(&handle), Some(CloseReason::Stalled));
    assert_eq!(log.entries(), ["undone"]);
    assert!(body.enter(|_, body| body.is_end_stream()));
}
