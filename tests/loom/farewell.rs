//! The goodbye of a loop: after the loop, before the undo, and cut when it has to be.

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use hangup::runtime::{BoxFuture, Runtime};
use hangup::{CloseReason, Closing, Live, Scope};
use loom::future::block_on;
use loom::thread::spawn;

use crate::model::{Fact, model, settled};

/// Its time does not pass.
struct Timeless;

impl Runtime for Timeless {
    fn spawn(&self, _: BoxFuture<()>) {
        unreachable!("a goodbye needs no task")
    }

    fn now(&self) -> Instant {
        unreachable!("a goodbye reads no clock")
    }

    fn sleep(&self, _: Duration) -> BoxFuture<()> {
        Box::pin(pending())
    }
}

#[derive(Clone, Default)]
struct Order(Arc<Mutex<Vec<&'static str>>>);

impl Order {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    fn noted(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }

    fn live(&self) -> Live {
        let scope = Scope::builder().runtime(Timeless).build();
        let mut setup = scope.open().unwrap().register().unwrap();
        let this = self.clone();
        setup.on_close(move || this.note("undo")).unwrap();
        setup.go_live().unwrap()
    }

    fn closing(&self) -> Closing {
        let live = self.live();
        let handle = live.handle();
        let run = live.run(pending::<()>());
        handle.close(CloseReason::Shutdown).unwrap();
        block_on(run).unwrap_err()
    }
}

struct NoteOnDrop(Order, &'static str);

impl Drop for NoteOnDrop {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

/// R28: the thread that closes waits for the goodbye, and sees it; the loop is gone before it,
/// and the undo comes after it.
#[test]
fn r28_close_vs_a_loop_that_says_goodbye() {
    model(|| {
        let (order, said) = (Order::default(), Fact::new());
        let live = order.live();
        let handle = live.handle();
        let body = NoteOnDrop(order.clone(), "loop");
        let run = live.run(async move {
            let _body = body;
            pending::<()>().await;
        });
        let closer = spawn({
            let said = said.clone();
            move || {
                handle.close(CloseReason::Shutdown).unwrap();
                block_on(handle.settled());
                assert!(said.is_seen());
            }
        });
        block_on(async {
            let closing = run.await.unwrap_err();
            let goodbye = async {
                said.state();
                order.note("goodbye");
            };
            assert!(closing.farewell(|_| goodbye).await.is_some());
        });
        closer.join().unwrap();
        assert_eq!(order.noted(), ["loop", "goodbye", "undo"]);
    });
}

/// R28: the deadline of a drain passes while a goodbye waits for a peer that never answers: no
/// wake-up is lost.
#[test]
fn r28_abandon_vs_a_goodbye_that_hangs() {
    model(|| {
        let order = Order::default();
        let closing = order.closing();
        let handle = closing.handle();
        let draining = spawn({
            let handle = handle.clone();
            move || handle.abandon_undos()
        });
        let goodbye = NoteOnDrop(order.clone(), "goodbye dropped");
        let said = block_on(closing.farewell(|_| async move {
            let _goodbye = goodbye;
            pending::<()>().await;
        }));
        assert_eq!(said, None);
        draining.join().unwrap();
        assert_eq!(settled(&handle).abandoned, ["farewell"]);
        assert_eq!(order.noted(), ["goodbye dropped", "undo"]);
    });
}

/// R28: the deadline of a drain passes while a goodbye ends: it is said, or it is reported.
#[test]
fn r28_abandon_vs_a_goodbye_that_ends() {
    model(|| {
        let (order, busy) = (Order::default(), Fact::new());
        let closing = order.closing();
        let handle = closing.handle();
        let draining = spawn({
            let handle = handle.clone();
            move || handle.abandon_undos()
        });
        let mut polls = 0;
        let goodbye = poll_fn(|cx| {
            busy.state();
            polls += 1;
            if polls == 1 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            order.note("goodbye");
            Poll::Ready(())
        });
        let said = block_on(closing.farewell(|_| goodbye));
        draining.join().unwrap();
        let abandoned = settled(&handle).abandoned;
        match said {
            Some(()) => {
                assert_eq!(order.noted(), ["goodbye", "undo"]);
                assert_eq!(abandoned.len(), 0);
            }
            None => {
                assert_eq!(order.noted(), ["undo"]);
                assert_eq!(abandoned, ["farewell"]);
            }
        }
    });
}
