use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures::channel::mpsc;
use futures::stream::FusedStream;
use futures::{Stream, StreamExt, stream};
use hangup::{CloseReason, Phase};
use tokio_test::{assert_pending, assert_ready_eq, task};

use crate::support::log::Log;
use crate::support::{live, registering};

#[test]
fn items_pass_through_and_the_end_completes_the_connection() {
    let live = live();
    let handle = live.handle();
    let mut stream = task::spawn(live.stream(stream::iter([1, 2])));
    assert_ready_eq!(stream.poll_next(), Some(1));
    assert_ready_eq!(stream.poll_next(), Some(2));
    assert!(handle.state().is_live());
    assert_ready_eq!(stream.poll_next(), None);
    let closed = handle.state().closed().unwrap();
    assert_eq!(closed.reason, CloseReason::Completed);
    assert_eq!(closed.from, Phase::Live);
    assert_ready_eq!(stream.poll_next(), None);
}

#[test]
fn nothing_is_yielded_after_a_close_but_the_farewell() {
    let live = live();
    let handle = live.handle();
    let stream = live.stream(stream::repeat("item"));
    let mut stream = task::spawn(stream.farewell(|closed| {
        assert_eq!(closed.reason, CloseReason::App(3));
        Some("farewell")
    }));
    assert_ready_eq!(stream.poll_next(), Some("item"));
    handle.close(CloseReason::App(3)).unwrap();
    assert_ready_eq!(stream.poll_next(), Some("farewell"));
    assert_ready_eq!(stream.poll_next(), None);
    assert_ready_eq!(stream.poll_next(), None);
}

#[test]
fn a_farewell_may_say_nothing() {
    let live = live();
    let handle = live.handle();
    let mut stream = task::spawn(live.stream(stream::repeat(1)).farewell(|_| None));
    handle.close(CloseReason::Idle).unwrap();
    assert_ready_eq!(stream.poll_next(), None);
}

#[test]
fn a_completed_stream_says_its_farewell_too() {
    let stream = live().stream(stream::iter(["item"]));
    let stream =
        stream.farewell(|closed| (closed.reason == CloseReason::Completed).then_some("bye"));
    let mut stream = task::spawn(stream);
    assert_ready_eq!(stream.poll_next(), Some("item"));
    assert_ready_eq!(stream.poll_next(), Some("bye"));
    assert_ready_eq!(stream.poll_next(), None);
}

#[test]
fn a_dropped_stream_says_no_farewell() {
    let log = Log::default();
    let said = log.adds("farewell");
    let stream = live().stream(stream::pending::<u8>()).farewell(|_| {
        said();
        None
    });
    drop(stream);
    assert!(log.entries().is_empty());
}

#[test]
fn the_source_is_dropped_when_the_stream_ends_not_when_it_is_dropped() {
    let log = Log::default();
    let guard = log.on_drop("source dropped");
    let source = stream::pending::<u8>().chain(stream::once(async move {
        drop(guard);
        1
    }));
    let live = live();
    let handle = live.handle();
    let mut stream = task::spawn(live.stream(Box::pin(source)));
    assert_pending!(stream.poll_next());
    handle.close(CloseReason::Idle).unwrap();
    assert_ready_eq!(stream.poll_next(), None);
    assert_eq!(log.entries(), ["source dropped"]);
}

#[test]
fn the_source_goes_after_the_close_and_before_the_undo() {
    struct LooksAround(hangup::Handle, Log);
    impl Stream for LooksAround {
        type Item = ();
        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<()>> {
            Poll::Ready(None)
        }
    }
    impl Drop for LooksAround {
        fn drop(&mut self) {
            self.1.add(format!("source gone, {}", self.0.state()));
        }
    }
    for completes in [false, true] {
        let log = Log::default();
        let mut setup = registering();
        setup.hold(log.on_drop("permit given back")).unwrap();
        let live = setup.go_live().unwrap();
        let source = LooksAround(live.handle(), log.clone());
        let mut stream = task::spawn(live.stream(source));
        if completes {
            assert_ready_eq!(stream.poll_next(), None);
        }
        drop(stream);
        assert_eq!(log.entries(), ["source gone, closed", "permit given back"]);
    }
}

#[test]
fn a_panicking_source_fails_the_connection() {
    let live = live();
    let handle = live.handle();
    let mut stream = live.stream(stream::poll_fn(|_| -> Poll<Option<u8>> {
        panic!("source")
    }));
    let polled = catch_unwind(AssertUnwindSafe(|| {
        stream.poll_next_unpin(&mut Context::from_waker(Waker::noop()))
    }));
    assert!(polled.is_err());
    assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Failed);
    drop(stream);
}

struct Quiet;

impl Wake for Quiet {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn the_waker_is_cloned_for_the_first_pending_poll_of_a_task_alone() {
    let clones = |quiet: &Arc<Quiet>| Arc::strong_count(quiet) - 2;

    let quiet = Arc::new(Quiet);
    let waker = Waker::from(Arc::clone(&quiet));
    let mut cx = Context::from_waker(&waker);
    let (items, source) = mpsc::unbounded::<u8>();
    // `mpsc` keeps a clone of its own once it is pending.
    let (ours, its) = (2, 1);

    let mut stream = live().stream(source);
    items.unbounded_send(1).unwrap();
    assert_eq!(stream.poll_next_unpin(&mut cx), Poll::Ready(Some(1)));
    assert_eq!(clones(&quiet), 0, "ready: no waker");
    for _ in 0..3 {
        assert_pending!(stream.poll_next_unpin(&mut cx));
        assert_eq!(clones(&quiet), ours + its);
    }
    drop((stream, items));
    assert_eq!(clones(&quiet), 0, "closed: nothing is left");
}

#[test]
fn a_stream_that_moves_to_another_task_is_woken_there() {
    let live = live();
    let handle = live.handle();
    let mut first = task::spawn(live.stream(stream::pending::<u8>()));
    assert_pending!(first.poll_next());
    let mut second = task::spawn(first.into_inner());
    assert_pending!(second.poll_next());
    handle.close(CloseReason::Idle).unwrap();
    assert!(second.is_woken());
    assert_ready_eq!(second.poll_next(), None);
}

#[test]
fn hints_and_termination_tell_the_truth() {
    let stream = live().stream(stream::iter([1, 2, 3]));
    assert_eq!(stream.size_hint(), (0, Some(3)));
    assert!(!stream.is_terminated());
    let stream = stream.farewell(|_| Some(4));
    assert_eq!(stream.size_hint(), (0, Some(4)));
    assert!(!stream.is_terminated());
    let handle = stream.handle();
    let mut stream = task::spawn(stream);
    handle.close(CloseReason::Idle).unwrap();
    assert_ready_eq!(stream.poll_next(), Some(4));
    assert!(stream.is_terminated());
    assert_eq!(stream.size_hint(), (0, Some(0)));
    assert_eq!(live().stream(stream::repeat(1)).size_hint(), (0, None));
}

/// The close comes from within the source's poll, before the waker is left.
#[test]
fn a_stream_that_meets_the_close_leaves_no_waker_behind() {
    let quiet = Arc::new(Quiet);
    let waker = Waker::from(Arc::clone(&quiet));
    let live = live();
    let handle = live.handle();
    let closer = live.handle();
    let source = stream::poll_fn(move |_| {
        closer.close(CloseReason::Aborted).unwrap();
        Poll::<Option<u8>>::Pending
    });
    let mut stream = live.stream(source);
    let mut cx = Context::from_waker(&waker);
    assert_eq!(stream.poll_next_unpin(&mut cx), Poll::Ready(None));
    drop(stream);
    assert_eq!(Arc::strong_count(&quiet), 2);
    drop(handle);
}

#[test]
fn a_panicking_source_goes_before_the_undo() {
    let log = Log::default();
    let mut setup = registering();
    setup.hold(log.on_drop("permit given back")).unwrap();
    let guard = log.on_drop("source gone");
    let source = stream::poll_fn(move |_| -> Poll<Option<u8>> {
        let _guard = &guard;
        panic!("source")
    });
    let mut stream = setup.go_live().unwrap().stream(source);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(catch_unwind(AssertUnwindSafe(|| stream.poll_next_unpin(&mut cx))).is_err());
    assert_eq!(log.entries(), ["source gone", "permit given back"]);
}
