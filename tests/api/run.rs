use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use hangup::{CloseReason, Handle};
use tokio_test::{assert_pending, assert_ready, task};

use crate::support::log::Log;
use crate::support::{live, registering};

#[test]
fn a_loop_that_ends_completes_the_connection() {
    let live = live();
    let handle = live.handle();
    let mut run = task::spawn(live.run(ready(7)));
    assert_eq!(assert_ready!(run.poll()).unwrap(), 7);
    assert_eq!(
        handle.state().closed().unwrap().reason,
        CloseReason::Completed
    );
}

#[test]
fn a_loop_may_give_its_own_reason() {
    let live = live();
    let handle = live.handle();
    let own = handle.clone();
    let mut run = task::spawn(live.run(async move { own.close(CloseReason::Failed) }));
    assert_eq!(assert_ready!(run.poll()).unwrap(), Ok(()));
    assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Failed);
}

#[test]
fn a_close_wakes_the_task_and_drops_the_loop() {
    let log = Log::default();
    let guard = log.on_drop("loop dropped");
    let live = live();
    let handle = live.handle();
    let mut run = task::spawn(live.run(async move {
        let _guard = guard;
        pending::<()>().await;
    }));
    assert_pending!(run.poll());
    handle.close(CloseReason::Shutdown).unwrap();
    assert!(run.is_woken());
    assert_eq!(
        assert_ready!(run.poll()).unwrap_err().reason(),
        CloseReason::Shutdown
    );
    assert_eq!(log.entries(), ["loop dropped"]);
}

#[test]
fn a_loop_is_not_polled_after_a_close() {
    let live = live();
    let handle = live.handle();
    let mut run = task::spawn(live.run(async { unreachable!("closed before the first poll") }));
    handle.close(CloseReason::Idle).unwrap();
    let result: Result<(), _> = assert_ready!(run.poll());
    assert!(result.is_err());
}

#[test]
fn a_panicking_loop_fails_the_connection() {
    let live = live();
    let handle = live.handle();
    let mut run = task::spawn(live.run(async { panic!("loop") }));
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let _: Poll<Result<(), _>> = run.poll();
    }));
    assert!(polled.is_err());
    assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Failed);
}

#[test]
fn the_loop_goes_before_the_undo() {
    for completes in [false, true] {
        let log = Log::default();
        let mut setup = registering();
        setup.hold(log.on_drop("permit given back")).unwrap();
        let guard = log.on_drop("loop gone");
        let mut run = task::spawn(setup.go_live().unwrap().run(std::future::poll_fn(move |_| {
            let _guard = &guard;
            if completes {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })));
        assert_eq!(run.poll().is_ready(), completes);
        drop(run);
        assert_eq!(log.entries(), ["loop gone", "permit given back"]);
    }
}

#[test]
fn a_gate_closes_in_the_very_poll_before_the_loop_goes_on() {
    let (live, log) = (live(), Log::default());
    let (handle, polled, dropped) = (live.handle(), log.clone(), log.on_drop("loop dropped"));
    let mut answers = [
        Poll::Ready(Ok(())),
        Poll::Pending,
        Poll::Ready(Err(CloseReason::Lost)),
    ]
    .into_iter();
    let talk = std::future::poll_fn(move |_| {
        let _dropped = &dropped;
        polled.add("polled");
        Poll::<()>::Pending
    });
    let mut run = task::spawn(live.run(talk).gate(move |_| answers.next().unwrap()));
    assert_pending!(run.poll());
    assert_eq!(log.entries(), ["polled"]);
    // Silent.
    assert_pending!(run.poll());
    assert_eq!(log.entries(), ["polled"]);
    let closing = assert_ready!(run.poll()).unwrap_err();
    assert_eq!(log.entries(), ["polled", "loop dropped"]);
    assert_eq!(closing.reason(), CloseReason::Lost);
    assert!(handle.try_settled().is_none(), "its goodbye comes first");
    drop(closing);
    assert!(handle.try_settled().is_some());
}

#[test]
fn a_close_wakes_a_loop_whose_gate_is_shut() {
    let live = live();
    let handle = live.handle();
    let mut run = task::spawn(live.run(pending::<()>()).gate(|_| Poll::Pending));
    assert_pending!(run.poll());
    handle.close(CloseReason::Shutdown).unwrap();
    assert!(run.is_woken());
    let closing = assert_ready!(run.poll()).unwrap_err();
    assert_eq!(closing.reason(), CloseReason::Shutdown);
}

#[test]
fn a_gate_that_panics_fails_the_connection() {
    let live = live();
    let handle = live.handle();
    let gated = live.run(pending::<()>()).gate(|_| panic!("in the gate"));
    let mut run = task::spawn(gated);
    catch_unwind(AssertUnwindSafe(|| _ = run.poll())).unwrap_err();
    drop(run);
    assert_eq!(handle.end().unwrap().reason(), CloseReason::Failed);
}

/// I8: the connection is the last that keeps the waker of a step that was dropped.
#[test]
fn i8_a_waker_may_use_its_connection_as_the_next_one_replaces_it() {
    struct Looks(Handle, Arc<AtomicUsize>);
    impl Wake for Looks {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Looks {
        fn drop(&mut self) {
            assert_eq!(self.0.label(), None);
            self.1.fetch_add(1, SeqCst);
        }
    }
    let mut setup = registering();
    let drops = Arc::new(AtomicUsize::new(0));
    let waker = Waker::from(Arc::new(Looks(setup.handle(), Arc::clone(&drops))));
    let mut step = Box::pin(setup.run(pending::<()>()));
    assert_pending!(step.as_mut().poll(&mut Context::from_waker(&waker)));
    drop((step, waker));
    assert_eq!(drops.load(SeqCst), 0);
    let mut next = task::spawn(setup.run(pending::<()>()));
    assert_pending!(next.poll());
    assert_eq!(drops.load(SeqCst), 1);
}
