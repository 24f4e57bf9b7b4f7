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
    let mut stream = task::spawn(stream.farewell(|end| {
        assert_eq!(end.reason(), CloseReason::App(3));
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
fn a_completed_stream_says_no_farewell() {
    let stream = live().stream(stream::iter(["item"]));
    let stream = stream.farewell(|_| unreachable!("nothing was cut short"));
    let mut stream = task::spawn(stream);
    assert_ready_eq!(stream.poll_next(), Some("item"));
    assert_ready_eq!(stream.poll_next(), None);
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

/// R27: what was accepted before a close is delivered.
#[test]
fn r27_accepted_and_then_closed() {
    let live = live();
    let handle = live.handle();
    let (sender, receiver) = mpsc::unbounded();
    let stream = live.stream(receiver).flush(3).farewell(|_| Some(100));
    let mut stream = task::spawn(stream);
    assert_pending!(stream.poll_next());
    for item in 0..2 {
        sender.unbounded_send(item).unwrap();
    }
    handle.close(CloseReason::Superseded).unwrap();
    assert!(handle.try_settled().is_some(), "a flush delays nothing");
    // The source cannot tell when it got an item.
    sender.unbounded_send(2).unwrap();
    sender.unbounded_send(3).unwrap();
    let items: Vec<_> = futures::executor::block_on_stream(stream.into_inner()).collect();
    assert_eq!(items, [0, 1, 2, 100]);
}

#[test]
fn a_flush_ends_at_the_second_pending_in_a_row() {
    let live = live();
    let handle = live.handle();
    // As a runtime does whose budget is used up: pending with an item ready.
    let mut polls = 0;
    let source = stream::poll_fn(move |_| {
        polls += 1;
        match polls {
            1 | 3 | 5 | 6 => Poll::Pending,
            _ => Poll::Ready(Some(polls)),
        }
    });
    let stream = live.stream(source).flush(usize::MAX).farewell(|_| Some(0));
    let mut stream = task::spawn(stream);
    assert_pending!(stream.poll_next());
    handle.close(CloseReason::Shutdown).unwrap();
    assert_ready_eq!(stream.poll_next(), Some(2));
    assert_pending!(stream.poll_next());
    assert!(stream.is_woken());
    assert_ready_eq!(stream.poll_next(), Some(4));
    assert_pending!(stream.poll_next());
    assert_ready_eq!(stream.poll_next(), Some(0));
    assert_ready_eq!(stream.poll_next(), None);
}

#[test]
fn there_is_no_flush_for_a_reader_that_is_gone_unless_it_is_asked_for() {
    use CloseReason::{Aborted, App, Failed, Idle, Lost, Overflow, Rejected, Stalled, Superseded};

    let flushed = |reason, with: bool| {
        let live = live();
        let handle = live.handle();
        let stream = live.stream(stream::repeat("item"));
        let stream = if with {
            stream.flush_with(|closed| usize::from(closed.reason == Stalled))
        } else {
            stream.flush(1)
        };
        handle.close(reason).unwrap();
        futures::executor::block_on_stream(stream).count()
    };
    for reason in [Aborted, Failed, Stalled, Overflow, Lost, Rejected] {
        assert_eq!(flushed(reason, false), 0, "{reason}");
    }
    for reason in [Idle, Superseded, App(1), CloseReason::Shutdown] {
        assert_eq!(flushed(reason, false), 1, "{reason}");
        assert_eq!(flushed(reason, true), 0, "{reason}");
    }
    assert_eq!(flushed(Stalled, true), 1);
}

#[test]
fn an_error_of_a_stream_of_results_fails_the_connection() {
    let live = live();
    let handle = live.handle();
    let log = Log::default();
    let guard = log.on_drop("source dropped");
    let source = stream::iter([Ok(1), Err("broken"), Ok(2)]).inspect(move |_| _ = &guard);
    let stream = live.try_stream(source).farewell(|_| Some(Err("farewell")));
    let mut stream = task::spawn(stream);
    assert_ready_eq!(stream.poll_next(), Some(Ok(1)));
    assert_ready_eq!(stream.poll_next(), Some(Err("broken")));
    // A transport does not poll again after an error.
    assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Failed);
    assert_eq!(log.entries(), ["source dropped"]);
    assert_ready_eq!(stream.poll_next(), None);
}

#[test]
fn a_farewell_has_the_words_of_the_close() {
    let live = live();
    let handle = live.handle();
    let stream = live
        .stream(stream::pending())
        .farewell(|end| Some(end.to_string()));
    handle.close_with(CloseReason::App(4), "moved").unwrap();
    assert!(handle.close_with(CloseReason::App(5), "too late").is_err());
    let said: Vec<_> = futures::executor::block_on_stream(stream).collect();
    assert_eq!(said, ["app(4): moved"]);
    assert_eq!(handle.end().unwrap().words.as_deref(), Some("moved"));
}

#[test]
fn a_gate_may_close_or_keep_silent_before_the_source_is_polled() {
    let live = live();
    let handle = live.handle();
    let answers = [
        Poll::Ready(Ok(())),
        Poll::Pending,
        Poll::Ready(Err(CloseReason::Lost)),
    ];
    let mut answers = answers.into_iter();
    let polled = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&polled);
    let source = stream::poll_fn(move |_| {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Poll::Ready(Some("item"))
    });
    let stream = live.stream(source).gate(move |_| answers.next().unwrap());
    let stream = stream.flush_with(|_| 9).farewell(|end| {
        assert_eq!(end.reason(), CloseReason::Lost);
        Some("bye")
    });
    let mut stream = task::spawn(stream);
    assert_ready_eq!(stream.poll_next(), Some("item"));
    assert_pending!(stream.poll_next());
    assert!(handle.state().is_live());
    // Closed in this very poll; the flush asks the source twice, and the gate keeps it shut.
    assert_pending!(stream.poll_next());
    assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Lost);
    assert_ready_eq!(stream.poll_next(), Some("bye"));
    assert_eq!(polled.load(std::sync::atomic::Ordering::SeqCst), 1);
}

/// A step that was forgotten has left the duty to unwind to the owner.
#[test]
fn a_close_undoes_a_stream_that_is_not_polled_after_a_forgotten_step() {
    let mut live = live();
    let handle = live.handle();
    let mut step = task::spawn(live.step(std::future::pending::<()>()));
    assert_pending!(step.poll());
    std::mem::forget(step);
    let stream = live.stream(stream::pending::<()>());
    handle.close(CloseReason::Idle).unwrap();
    assert!(handle.try_settled().is_some());
    drop(stream);
}

#[test]
fn a_panic_as_the_source_is_wrapped_fails_the_connection() {
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("undone")).unwrap();
    let live = setup.go_live().unwrap();
    let handle = live.handle();
    let guard = log.on_drop("source dropped");
    let source = stream::poll_fn(move |_| {
        let _guard = &guard;
        Poll::<Option<()>>::Pending
    });
    let stream = live.stream(source);
    let wrap = || stream.map_inner(|_| -> stream::Pending<()> { panic!("wrap") });
    assert!(catch_unwind(AssertUnwindSafe(wrap)).is_err());
    assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Failed);
    assert_eq!(log.entries(), ["source dropped", "undone"]);
}

/// Its timers are ready at once, and must not be polled again then, as most futures.
struct AtOnce;

impl hangup::runtime::Runtime for AtOnce {
    fn spawn(&self, _: hangup::runtime::BoxFuture<()>) {}

    fn now(&self) -> std::time::Instant {
        std::time::Instant::now()
    }

    fn sleep(&self, _: std::time::Duration) -> hangup::runtime::BoxFuture<()> {
        Box::pin(std::future::ready(()))
    }
}

#[test]
fn heartbeats_at_a_fixed_cadence_come_between_items_that_are_ready_and_in_no_flush() {
    let period = std::time::Duration::from_secs(1);
    let _entered = hangup::runtime::enter(AtOnce);
    let live = live();
    let handle = live.handle();
    let stream = live
        .stream(stream::iter(1..))
        .heartbeat_every(period, || 0)
        .unwrap()
        .flush(3);
    let mut stream = task::spawn(stream);
    // A timer is due before each item here.
    for _ in 0..3 {
        assert_ready_eq!(stream.poll_next(), Some(0));
        assert!(stream.is_woken(), "the new timer has no waker");
    }
    handle.close(CloseReason::Idle).unwrap();
    let flushed: Vec<_> = futures::executor::block_on_stream(stream.into_inner()).collect();
    assert_eq!(flushed, [1, 2, 3]);
}

#[test]
fn a_flush_sends_no_heartbeat() {
    let period = std::time::Duration::from_millis(1);
    let _entered = hangup::runtime::enter(AtOnce);
    let live = live();
    let handle = live.handle();
    let stream = live.stream(stream::pending()).heartbeat(period, || "ping");
    let stream = stream.unwrap().flush(9);
    handle.close(CloseReason::Idle).unwrap();
    assert_eq!(futures::executor::block_on_stream(stream).count(), 0);
}
