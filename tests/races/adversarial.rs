//! The user's code at its worst: it panics, is forgotten, re-enters, and takes its time in
//! the wrong place.

use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "http-body")]
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use hangup::{CloseReason, Deadlines, Pending, Scope};

use crate::support::log::Log;
use crate::support::spawn_with::OnCloseSpawn;
use crate::support::tasks::Tasks;

const SECOND: Duration = Duration::from_secs(1);

/// Polls the task that was spawned last, and keeps it if it has not ended.
fn poll_last(tasks: &Tasks, waker: &Waker) -> Poll<()> {
    let mut task = tasks.take().expect("there is one");
    let polled = task.as_mut().poll(&mut Context::from_waker(waker));
    if polled.is_pending() {
        tasks.spawn()(task);
    }
    polled
}

/// One in the shard of this number, whatever power of two up to 4096 of them there are.
fn open_in(scope: &Scope, shard: u64, deadlines: Deadlines) -> Pending {
    loop {
        let pending = scope.open_with(|_| deadlines).unwrap();
        let id: u64 = pending.id().to_string().parse().unwrap();
        if id % 4096 == shard {
            return pending;
        }
    }
}

fn swept_by_hand() -> Scope {
    Scope::builder().swept_by_hand().build()
}

#[test]
fn a_sweep_gives_up_only_the_undo_that_it_found_overdue() {
    let scope = swept_by_hand();
    let tasks = Tasks::default();
    let idle = open_in(&scope, 0, Deadlines::new().idle(SECOND));
    let closed = open_in(&scope, 0, Deadlines::new().undo(10 * SECOND));

    let mut closed = closed.register().unwrap();
    closed
        .on_close_spawn("older", tasks.spawn(), pending::<()>)
        .unwrap();
    closed
        .on_close_spawn("newer", tasks.spawn(), || ready(()))
        .unwrap();
    let mut idle = idle.register().unwrap();
    idle.on_close({
        let tasks = tasks.clone();
        move || {
            assert!(poll_last(&tasks, Waker::noop()).is_ready());
            assert!(poll_last(&tasks, Waker::noop()).is_pending(), "has begun");
        }
    })
    .unwrap();
    let idle = idle.go_live().unwrap();
    let handle = closed.handle();
    drop(closed);

    let begun = Instant::now();
    assert_eq!(scope.sweep(begun), 0);
    assert_eq!(scope.sweep(begun), 0);
    assert_eq!(scope.sweep(begun + 20 * SECOND), 1);
    assert!(idle.handle().state().is_closed());
    assert!(
        poll_last(&tasks, Waker::noop()).is_pending(),
        "given up as it began: {:?}",
        handle.try_settled()
    );
    // It has begun during that sweep, and is dated by the one after the next.
    scope.sweep(begun + 24 * SECOND);
    scope.sweep(begun + 25 * SECOND);
    scope.sweep(begun + 34 * SECOND);
    assert!(poll_last(&tasks, Waker::noop()).is_pending(), "too early");
    scope.sweep(begun + 35 * SECOND);
    assert!(poll_last(&tasks, Waker::noop()).is_ready());
}

#[test]
fn what_is_noted_during_a_sweep_is_not_dated_before_it() {
    let scope = swept_by_hand();
    let deadlines = Deadlines::new().idle(10 * SECOND);
    let slow = open_in(&scope, 0, deadlines);
    let other = open_in(&scope, 1, deadlines);
    let other = other.register().unwrap().go_live().unwrap();
    let now = Arc::new(Mutex::new(Instant::now()));

    let mut slow = slow.register().unwrap();
    slow.on_close({
        let (now, other) = (Arc::clone(&now), other.handle());
        move || {
            *now.lock().unwrap() += 15 * SECOND;
            other.touch();
        }
    })
    .unwrap();
    let slow = slow.go_live().unwrap();
    let sweep = || {
        let at = *now.lock().unwrap();
        scope.sweep(at)
    };
    sweep();
    sweep();
    *now.lock().unwrap() += 5 * SECOND;
    other.touch();
    sweep();
    *now.lock().unwrap() += 5 * SECOND;
    // Closes the slow one, which takes 15 seconds, at the end of which the other is touched.
    assert_eq!(sweep(), 1);
    assert!(slow.handle().state().is_closed());
    *now.lock().unwrap() += SECOND;
    assert_eq!(sweep(), 0, "touched a second ago");
}

#[test]
fn a_sweep_in_ages_is_one() {
    for nanos in [u64::MAX - 1, u64::MAX] {
        let scope = swept_by_hand();
        let live = scope.open_with(|it| it.max_age(SECOND)).unwrap();
        let begun = Instant::now();
        assert_eq!(scope.sweep(begun), 0);
        assert_eq!(scope.sweep(begun), 0);
        assert_eq!(scope.sweep(begun + Duration::from_nanos(nanos)), 1);
        drop(live);
    }
}

struct DropBomb;

impl Wake for DropBomb {
    fn wake(self: Arc<Self>) {}
}

impl Drop for DropBomb {
    fn drop(&mut self) {
        panic!("a waker is dropped");
    }
}

#[test]
fn a_waker_that_panics_when_it_is_dropped_does_not_stop_the_undo() {
    let log = Log::default();
    let tasks = Tasks::default();
    let mut setup = crate::support::registering();
    setup.on_close(log.adds("undone")).unwrap();
    setup
        .on_close_spawn("slow", tasks.spawn(), pending::<()>)
        .unwrap();
    let handle = setup.handle();
    drop(setup);
    let waker = Waker::from(Arc::new(DropBomb));
    assert!(poll_last(&tasks, &waker).is_pending());
    drop(waker);
    let task = tasks.take();
    _ = catch_unwind(AssertUnwindSafe(|| drop(task)));
    assert_eq!(log.entries(), ["undone"]);
    assert!(handle.try_settled().is_some());
}

/// A task that is never polled again, and never dropped: what a deadline cannot give up.
#[test]
fn a_task_that_is_forgotten_keeps_the_connection_unsettled() {
    let scope = swept_by_hand();
    let deadlines = Deadlines::new().undo(SECOND);
    let mut setup = scope.open_with(|_| deadlines).unwrap().register().unwrap();
    setup
        .on_close_spawn("forgotten", std::mem::forget, || ready(()))
        .unwrap();
    let handle = setup.handle();
    drop(setup);
    let now = Instant::now();
    scope.sweep(now);
    scope.sweep(now);
    scope.sweep(now + 2 * SECOND);
    handle.abandon_undos();
    assert!(handle.try_settled().is_none());
}

#[cfg(feature = "http-body")]
mod body {
    use super::*;
    use bytes::Bytes;
    use http_body::{Body, Frame, SizeHint};

    struct Tricky {
        log: Log,
        panics: &'static str,
    }

    impl Tricky {
        fn panics(&self, at: &str) {
            assert_ne!(self.panics, at);
        }
    }

    impl Drop for Tricky {
        fn drop(&mut self) {
            self.log.add("body dropped");
        }
    }

    impl Body for Tricky {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            self.panics("poll_frame");
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }

        fn is_end_stream(&self) -> bool {
            self.panics("is_end_stream");
            false
        }

        fn size_hint(&self) -> SizeHint {
            self.panics("size_hint");
            SizeHint::default()
        }
    }

    #[test]
    fn a_body_that_panics_anywhere_is_undone() {
        for (panics, polled, reason) in [
            ("poll_frame", true, CloseReason::Failed),
            ("is_end_stream", true, CloseReason::Failed),
            ("is_end_stream", false, CloseReason::Dropped),
            ("size_hint", false, CloseReason::Dropped),
            ("wrap", false, CloseReason::Failed),
            ("never", false, CloseReason::Dropped),
        ] {
            let log = Log::default();
            let mut setup = crate::support::registering();
            setup.on_close(log.adds("undone")).unwrap();
            let live = setup.go_live().unwrap();
            let handle = live.handle();
            let body = live.body(Tricky {
                log: log.clone(),
                panics,
            });
            let mut body = Some(body);
            let used = catch_unwind(AssertUnwindSafe(|| {
                if panics == "wrap" {
                    _ = body.take().unwrap().map_inner(|body| -> Tricky {
                        body.panics("wrap");
                        body
                    });
                } else if polled {
                    let body = Pin::new(body.as_mut().unwrap());
                    _ = body.poll_frame(&mut Context::from_waker(Waker::noop()));
                }
            }));
            assert_eq!(used.is_err(), polled || panics == "wrap");
            drop(body);
            let settled = handle.try_settled().unwrap();
            assert_eq!(settled.closed.reason, reason, "{panics} {polled}");
            assert_eq!(log.entries(), ["body dropped", "undone"]);
        }
    }
}

/// Wakers, undos and values that use the crate where they are run or dropped.
#[test]
fn everything_may_use_the_crate_where_it_is_dropped() {
    use hangup::Handle;

    /// Uses all there is, whenever it is dropped or woken.
    struct Uses(Handle, Scope);
    impl Uses {
        fn all(&self) {
            let Self(handle, scope) = self;
            _ = handle.close(CloseReason::Idle);
            handle.touch();
            handle.abandon_undos();
            _ = handle.try_settled();
            #[cfg(feature = "tokio-util")]
            drop(handle.token());
            let now = Instant::now();
            _ = scope.sweep(now);
            _ = scope.sweep(now + 100 * SECOND);
            _ = scope.stats();
            let mut closed = Box::pin(handle.closed());
            _ = closed
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            let mut settled = Box::pin(handle.settled());
            _ = settled
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
        }
    }
    impl Drop for Uses {
        fn drop(&mut self) {
            self.all();
        }
    }
    impl Wake for Uses {
        fn wake(self: Arc<Self>) {
            self.all();
        }
    }

    let deadlines = Deadlines::new()
        .undo(SECOND)
        .stall(SECOND)
        .idle(SECOND)
        .max_age(1000 * SECOND);
    let scope = Scope::builder()
        .deadlines(deadlines)
        .swept_by_hand()
        .build();
    let tasks = Tasks::default();
    let mut setup = scope.open().unwrap().register().unwrap();
    let handle = setup.handle();
    let uses = || Uses(handle.clone(), scope.clone());
    setup.hold(uses()).unwrap();
    for _ in 0..2 {
        let held = uses();
        setup
            .on_close_spawn("slow", tasks.spawn(), move || async move {
                let _held = held;
                pending::<()>().await;
            })
            .unwrap();
    }
    let waker = || Waker::from(Arc::new(uses()));
    let mut closed = Box::pin(handle.closed());
    assert!(
        closed
            .as_mut()
            .poll(&mut Context::from_waker(&waker()))
            .is_pending()
    );
    let live = setup.go_live().unwrap();
    let held = uses();
    let mut work = Box::pin(live.track(async move {
        let _held = held;
        pending::<()>().await;
    }));
    assert!(
        work.as_mut()
            .poll(&mut Context::from_waker(&waker()))
            .is_pending()
    );
    let held = uses();
    let mut stream = Box::pin(live.stream(futures::stream::poll_fn(move |cx| {
        _ = &held;
        cx.waker().wake_by_ref();
        Poll::<Option<()>>::Pending
    })));
    // Its waker closes the connection through the source.
    let polled = futures::Stream::poll_next(stream.as_mut(), &mut Context::from_waker(&waker()));
    assert_eq!(polled, Poll::Ready(None));
    assert!(handle.state().is_closed());
    drop(work);
    while handle.try_settled().is_none() {
        assert!(poll_last(&tasks, &waker()).is_ready(), "abandoned");
    }
    assert_eq!(handle.try_settled().unwrap().abandoned, ["slow", "slow"]);
}
