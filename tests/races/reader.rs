//! The reader stops reading, and nothing fails.

use std::task::Poll;
use std::time::{Duration, Instant};

use futures::channel::mpsc;
use futures::stream;
use hangup::{CloseReason, Deadlines, Handle, Live, Scope};
use tokio_test::{assert_pending, assert_ready_eq, task};

use crate::support::log::Log;

const LIMIT: Duration = Duration::from_secs(30);
const ALMOST: Duration = Duration::from_secs(29);

/// Sweeps at times of its own making.
struct Sweeper {
    scope: Scope,
    now: Instant,
}

impl Sweeper {
    fn new() -> Self {
        let deadlines = Deadlines::new().stall(LIMIT);
        Self {
            scope: Scope::builder().deadlines(deadlines).build(),
            now: Instant::now(),
        }
    }

    fn live(&self, log: &Log) -> Live {
        let mut setup = self.scope.open().unwrap().register().unwrap();
        setup.on_close(log.adds("undone"));
        setup.go_live().unwrap()
    }

    /// Nothing else happens for this long; how many are closed?
    fn pass(&mut self, time: Duration) -> usize {
        self.scope.sweep(self.now);
        self.scope.sweep(self.now);
        self.now += time;
        self.scope.sweep(self.now)
    }
}

fn reason(handle: &Handle) -> Option<CloseReason> {
    handle.state().closed().map(|closed| closed.reason)
}

/// It was given an item, and does not come for the next.
#[test]
fn r16_a_reader_that_stops_reading() {
    let (log, mut sweeper) = (Log::default(), Sweeper::new());
    let live = sweeper.live(&log);
    let handle = live.handle();
    let mut body = task::spawn(live.stream(stream::repeat(1)).farewell(|_| Some(0)));
    for _ in 0..10 {
        assert_ready_eq!(body.poll_next(), Some(1));
        assert_eq!(sweeper.pass(ALMOST), 0);
    }
    assert_ready_eq!(body.poll_next(), Some(1));
    assert_eq!(sweeper.pass(LIMIT), 1);
    assert_eq!(reason(&handle), Some(CloseReason::Stalled));
    // The body is still held, and all is undone.
    assert_eq!(log.entries(), ["undone"]);
    assert!(handle.settlement().is_some());
    // It has come back after all.
    assert_ready_eq!(body.poll_next(), Some(0));
    assert_ready_eq!(body.poll_next(), None);
}

/// It has waited for something, and does not come for it.
#[test]
fn r16_a_reader_that_does_not_come_when_it_is_woken() {
    let (log, mut sweeper) = (Log::default(), Sweeper::new());
    let (items, source) = mpsc::unbounded();
    let live = sweeper.live(&log);
    let handle = live.handle();
    let mut body = task::spawn(live.stream(source));
    for item in 0..3 {
        // However long it is quiet, the reader is where it should be.
        assert_pending!(body.poll_next());
        assert_eq!(sweeper.pass(LIMIT * 10), 0);
        assert!(!body.is_woken());
        items.unbounded_send(item).unwrap();
        assert!(body.is_woken());
        assert_eq!(sweeper.pass(ALMOST), 0);
        assert_ready_eq!(body.poll_next(), Some(item));
    }
    assert_pending!(body.poll_next());
    items.unbounded_send(3).unwrap();
    assert_eq!(sweeper.pass(LIMIT), 1);
    assert_eq!(reason(&handle), Some(CloseReason::Stalled));
    assert_eq!(log.entries(), ["undone"]);
    drop(body);
}

/// A source that wakes it again and again does not give it more time.
#[test]
fn r16_a_reader_that_is_woken_again_and_does_not_come() {
    let (log, mut sweeper) = (Log::default(), Sweeper::new());
    let live = sweeper.live(&log);
    let handle = live.handle();
    let (send_waker, wakers) = std::sync::mpsc::channel();
    let mut body = task::spawn(live.stream(stream::poll_fn(move |cx| {
        send_waker.send(cx.waker().clone()).unwrap();
        Poll::<Option<u8>>::Pending
    })));
    assert_pending!(body.poll_next());
    let source = wakers.recv().unwrap();
    source.wake_by_ref();
    assert_eq!(sweeper.pass(ALMOST), 0);
    source.wake_by_ref();
    assert_eq!(sweeper.pass(LIMIT - ALMOST), 1);
    assert_eq!(reason(&handle), Some(CloseReason::Stalled));
    // However late it comes, it is no harm.
    drop(body);
    source.wake();
    assert_eq!(log.entries(), ["undone"]);
}

/// It is polled by another task from now on, which is woken instead.
#[test]
fn r16_a_watched_reader_that_moves_is_woken_where_it_is() {
    let (log, mut sweeper) = (Log::default(), Sweeper::new());
    let (items, source) = mpsc::unbounded();
    let mut old = task::spawn(sweeper.live(&log).stream(source));
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
    assert_eq!(sweeper.pass(LIMIT), 0);
}

/// A body is read like a stream.
#[cfg(feature = "http-body")]
#[test]
fn r16_a_server_that_stops_polling_a_body() {
    use bytes::Bytes;
    use http_body::{Body, Frame};
    use http_body_util::StreamBody;
    use tokio_test::assert_ready;

    let (log, mut sweeper) = (Log::default(), Sweeper::new());
    let chunks = stream::repeat_with(|| Ok::<_, ()>(Frame::data(Bytes::from_static(b"x"))));
    let live = sweeper.live(&log);
    let handle = live.handle();
    let mut body = task::spawn(live.body(StreamBody::new(chunks)));
    for _ in 0..10 {
        let frame = assert_ready!(body.enter(|cx, body| body.poll_frame(cx)));
        assert!(frame.unwrap().unwrap().is_data());
        assert_eq!(sweeper.pass(ALMOST), 0);
    }
    assert_eq!(sweeper.pass(LIMIT - ALMOST), 1);
    assert_eq!(reason(&handle), Some(CloseReason::Stalled));
    assert_eq!(log.entries(), ["undone"]);
    assert!(body.enter(|_, body| body.is_end_stream()));
}
