//! A connection that goes from one owner to the next, and what its owner was refused.

use std::pin::Pin;
use std::sync::Barrier;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use hangup::Scope;
use hangup::{CloseReason, Conflict, Deadlines, Handle, KeyError, Live, Registering, Registry};
use tokio_test::{assert_pending, task};

use crate::support::log::Log;
use crate::support::registering;

fn logged() -> (Live, Log) {
    let (mut setup, log) = (registering(), Log::default());
    setup.on_close(log.adds("undone")).unwrap();
    (setup.go_live().unwrap(), log)
}

/// Why it closed, if it has settled.
fn reason(handle: &Handle) -> CloseReason {
    handle.try_settled().expect("it has settled").closed.reason
}

type Boxed = Pin<Box<dyn Stream<Item = ()> + Send>>;

/// Logs as it is dropped.
fn source(log: &Log) -> Boxed {
    let guard = log.on_drop("source dropped");
    let pending = move |_: &mut Context<'_>| {
        let _guard = &guard;
        Poll::Pending
    };
    stream::poll_fn(pending).boxed()
}

fn poll(stream: &mut (impl Stream<Item = ()> + Unpin)) -> Poll<Option<()>> {
    stream.poll_next_unpin(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_stream_that_is_wrapped_many_times_ends_once_with_its_last_owner() {
    let (live, log) = logged();
    let handle = live.handle();
    let mut stream = live.stream(source(&log));
    for _ in 0..100 {
        stream = stream.map_inner(|source| source.fuse().boxed());
        assert!(handle.state().is_live() && log.entries().is_empty());
    }
    assert_eq!(poll(&mut stream), Poll::Pending);
    drop(stream);
    assert_eq!(log.entries(), ["source dropped", "undone"]);
    assert_eq!(reason(&handle), CloseReason::Dropped);
}

#[test]
fn a_close_as_the_source_is_wrapped_is_the_close_that_counts() {
    let (live, log) = logged();
    let handle = live.handle();
    let mut stream = live
        .stream(source(&log))
        .farewell(|_| Some(()))
        .map_inner(|source| {
            handle.close(CloseReason::Idle).unwrap();
            // The undo of a live connection waits for no owner.
            assert_eq!(log.entries(), ["undone"]);
            source
        });
    assert_eq!(reason(&handle), CloseReason::Idle);
    assert_eq!(poll(&mut stream), Poll::Ready(Some(())));
    assert_eq!(poll(&mut stream), Poll::Ready(None));
    drop(stream);
    assert_eq!(log.entries(), ["undone", "source dropped"]);
}

#[test]
fn a_close_beside_a_hand_over_undoes_once() {
    for _ in 0..2_000 {
        let (live, log) = logged();
        let handle = live.handle();
        let stream = live.stream(source(&log));
        let begin = Barrier::new(2);
        let mut stream = thread::scope(|threads| {
            threads.spawn(|| {
                begin.wait();
                handle.close(CloseReason::Idle).unwrap();
            });
            begin.wait();
            stream.map_inner(|source| source.fuse().boxed())
        });
        assert_eq!(poll(&mut stream), Poll::Ready(None));
        drop(stream);
        assert_eq!(log.entries(), ["undone", "source dropped"]);
        assert_eq!(reason(&handle), CloseReason::Idle);
    }
}

/// A body with nothing left completes the connection as it is dropped, and not as it is handed
/// on.
#[cfg(feature = "http-body")]
#[test]
fn a_body_with_nothing_left_is_handed_on_open() {
    use http_body_util::{BodyExt, Full};

    let (live, log) = logged();
    let handle = live.handle();
    let body = live.body(Full::new(bytes::Bytes::new()));
    let body = body.map_inner(|inner| inner.map_err(|never| match never {}).boxed_unsync());
    let body: hangup::LiveBody<http_body_util::combinators::UnsyncBoxBody<_, ()>> = body;
    assert!(handle.state().is_live() && log.entries().is_empty());
    drop(body);
    assert_eq!(log.entries(), ["undone"]);
    assert_eq!(reason(&handle), CloseReason::Completed);
}

fn refused(scope: &Scope, registry: &Registry<u8, ()>) -> Registering {
    let mut setup = scope.open().unwrap().register().unwrap();
    assert_eq!(setup.join(registry, 1, ()), Err(KeyError::Taken));
    setup
}

/// What follows a refusal decides why the connection closes.
#[test]
fn a_refusal_counts_until_a_place_is_got_or_the_connection_is_live() {
    let registry = Registry::new(Conflict::Reject);
    let mut holder = registering();
    holder.join(&registry, 1, ()).unwrap();
    let scope = Scope::builder()
        .deadlines(Deadlines::new().idle(Duration::from_secs(60)))
        .swept_by_hand()
        .build();
    let ends = |end: fn(Registering, &Registry<u8, ()>)| {
        let setup = refused(&scope, &registry);
        let handle = setup.handle();
        end(setup, &registry);
        reason(&handle)
    };
    assert_eq!(ends(|setup, _| drop(setup)), CloseReason::Rejected);
    let again = |mut setup: Registering, registry: &_| {
        assert_eq!(setup.join(registry, 1, ()), Err(KeyError::Taken));
    };
    assert_eq!(ends(again), CloseReason::Rejected);
    let elsewhere = |mut setup: Registering, registry: &_| setup.join(registry, 2, ()).unwrap();
    assert_eq!(ends(elsewhere), CloseReason::Dropped);
    let twice = |mut setup: Registering, registry: &_| {
        setup.join(registry, 2, ()).unwrap();
        assert_eq!(setup.join(registry, 1, ()), Err(KeyError::Taken));
        // Neither a refusal nor a place.
        assert_eq!(setup.join(registry, 2, ()), Err(KeyError::AlreadyJoined));
    };
    assert_eq!(ends(twice), CloseReason::Rejected);
    let closes = |setup: Registering, _: &_| setup.close(CloseReason::App(7)).unwrap();
    assert_eq!(ends(closes), CloseReason::App(7));
    let is_closed = |setup: Registering, _: &_| {
        setup.handle().close(CloseReason::Idle).unwrap();
        assert!(setup.handle().try_settled().is_none());
    };
    assert_eq!(ends(is_closed), CloseReason::Idle);
    assert_eq!(
        ends(|setup, _| drop(setup.go_live().unwrap())),
        CloseReason::Dropped
    );
    let streams = |setup: Registering, _: &_| {
        let stream = setup.go_live().unwrap().stream(stream::pending::<()>());
        drop(stream.map_inner(|source| source.fuse()));
    };
    assert_eq!(ends(streams), CloseReason::Dropped);
    let held_open = |setup: Registering, _: &_| {
        let handle = setup.go_live().unwrap().hold_open().unwrap();
        assert!(handle.state().is_live());
        handle.close(CloseReason::Aborted).unwrap();
    };
    assert_eq!(ends(held_open), CloseReason::Aborted);
    drop(holder);
}

/// A take-over that waits has its place, and one that has timed out was refused it.
#[test]
fn a_take_over_that_is_given_up_is_a_client_that_vanished_unless_it_timed_out() {
    let registry: Registry<u8, ()> = Registry::new(Conflict::Reject);
    let scope = Scope::new();
    let mut holder = registering();
    holder.join(&registry, 1, ()).unwrap();

    let mut given_up = refused(&scope, &registry);
    let handle = given_up.handle();
    assert_pending!(task::spawn(given_up.take_over(&registry, 1, ())).poll());
    drop(given_up);
    assert_eq!(reason(&handle), CloseReason::Dropped);

    let mut timed_out = scope.open().unwrap().register().unwrap();
    let handle = timed_out.handle();
    let taking = timed_out
        .take_over(&registry, 1, ())
        .deadline(std::future::ready(()));
    assert_eq!(
        futures::executor::block_on(taking).unwrap_err(),
        KeyError::TimedOut
    );
    drop(timed_out);
    assert_eq!(reason(&handle), CloseReason::Rejected);
    drop(holder);
}

#[test]
fn a_take_over_that_is_forgotten_has_no_place_that_makes_the_next_one_fail() {
    let registry: Registry<u8, ()> = Registry::new(Conflict::Reject);
    let mut holder = registering();
    holder.join(&registry, 1, ()).unwrap();
    let mut forgotten = registering();
    let handle = forgotten.handle();
    {
        let mut taking = Box::pin(forgotten.take_over(&registry, 1, ()));
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(Future::poll(taking.as_mut(), cx).is_pending());
        std::mem::forget(taking);
    }
    let timed_out = forgotten
        .take_over(&registry, 1, ())
        .deadline(std::future::ready(()));
    let timed_out = futures::executor::block_on(timed_out);
    assert_eq!(timed_out.unwrap_err(), KeyError::TimedOut);
    drop(holder);
    // It succeeds after that.
    let taking = forgotten.take_over(&registry, 1, ());
    futures::executor::block_on(taking).unwrap();
    drop(forgotten);
    assert_eq!(reason(&handle), CloseReason::Dropped);
}
