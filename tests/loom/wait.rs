//! A close meets those who wait for it.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};

use hangup::{CloseReason, Conflict, Registry, Scope};
use loom::future::block_on;
use loom::thread::spawn;

use crate::model::{Fact, Woken, counted, model, model_3, poll_once, setup};

/// R22: no wake-up of `closed` is lost.
#[test]
fn r22_closed_vs_close() {
    model(|| {
        let setup = setup();
        let handle = setup.handle();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Idle).unwrap()
        });
        let closed = block_on(handle.closed());
        assert_eq!(closed.reason, CloseReason::Idle);
        closer.join().unwrap();
    });
}

/// I2: no wake-up of `settled` is lost, and who sees it sees the undo.
#[test]
fn i2_settled_vs_close() {
    model(|| {
        let mut setup = setup();
        let handle = setup.handle();
        let undone = Fact::new();
        setup
            .on_close({
                let undone = undone.clone();
                move || undone.state()
            })
            .unwrap();
        let setup = setup.go_live().unwrap();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Idle).unwrap()
        });
        let settled = block_on(handle.settled());
        assert!(undone.is_seen());
        assert_eq!(settled.undos_run, 1);
        closer.join().unwrap();
        drop(setup);
    });
}

/// I2: the same seen by polling alone, where no lock and no waker lend their edges.
#[test]
fn i2_settled_at_first_sight() {
    model(|| {
        let mut setup = setup();
        let handle = setup.handle();
        let undone = Fact::new();
        setup
            .on_close({
                let undone = undone.clone();
                move || undone.state()
            })
            .unwrap();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Idle).unwrap()
        });
        if let Poll::Ready(settled) = poll_once(pin!(handle.settled()), Waker::noop()) {
            assert!(undone.is_seen());
            assert_eq!(settled.undos_run, 1);
        }
        closer.join().unwrap();
    });
}

/// I7: and sees that the registries have let go.
#[test]
fn i7_settled_vs_leaving() {
    struct Value(Fact);
    impl Drop for Value {
        fn drop(&mut self) {
            self.0.state();
        }
    }

    model(|| {
        let registry: Registry<u8, Value> = Registry::new(Conflict::Reject);
        let mut setup = setup();
        let handle = setup.handle();
        let dropped = Fact::new();
        setup.join(&registry, 1, Value(dropped.clone())).unwrap();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Idle).unwrap()
        });
        if poll_once(pin!(handle.settled()), Waker::noop()).is_ready() {
            assert!(dropped.is_seen());
        }
        closer.join().unwrap();
    });
}

/// I7, R14: and sees that the scope has let go, so that a drain is over then.
#[test]
fn i7_r14_settled_vs_scope() {
    model(|| {
        let scope = Scope::new();
        let setup = scope.open().unwrap().register().unwrap().go_live().unwrap();
        let handle = setup.handle();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Shutdown).unwrap()
        });
        block_on(handle.settled());
        assert!(scope.handles().is_empty());
        assert_eq!(scope.stats().closed_as(CloseReason::Shutdown), 1);
        closer.join().unwrap();
    });
}

/// I7: a waiter that gives up leaves no waker behind.
#[test]
fn i7_waiter_gives_up_vs_close() {
    model(|| {
        let setup = setup();
        let handle = setup.handle();
        let woken = Arc::new(Woken::default());
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Idle).unwrap()
        });
        {
            let waker = Waker::from(Arc::clone(&woken));
            let mut closed = Box::pin(handle.closed());
            _ = poll_once(closed.as_mut(), &waker);
        }
        closer.join().unwrap();
        assert!(woken.count() <= 1);
        assert_eq!(Arc::strong_count(&woken), 1, "a waker is left behind");
    });
}

/// R22: two who wait for the same close; neither takes the other's turn.
#[test]
fn r22_two_waiters_vs_close_3() {
    model_3(3, || {
        let (setup, undone) = counted();
        let live = setup.go_live().unwrap();
        let handle = live.handle();
        let waiter = spawn({
            let handle = handle.clone();
            move || block_on(handle.closed())
        });
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Idle).unwrap()
        });
        assert_eq!(block_on(handle.settled()).undos_run, 1);
        assert_eq!(waiter.join().unwrap().reason, CloseReason::Idle);
        closer.join().unwrap();
        assert_eq!(undone.get(), 1);
    });
}
