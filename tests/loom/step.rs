//! A close meets a step of the set-up.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Poll, Waker};

use hangup::CloseReason;
use hangup::runtime::{BoxFuture, Runtime, enter};
use loom::future::block_on;
use loom::thread::spawn;

use crate::model::{
    Count, Dropped, Fact, Woken, counted, model, model_3, poll_once, settled, setup,
};
use crate::overlap::Overlap;

/// R24, R1: a close stops the step, drops it, and only then is it undone; the
/// owner is woken for it.
#[test]
fn r24_r1_close_vs_step_in_flight() {
    model(|| {
        let mut setup = setup();
        let handle = setup.handle();
        let (overlap, step) = Overlap::new(&mut setup);
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted).unwrap()
        });
        // Before it began, before its first poll was over, or while it slept.
        let result = block_on(setup.run(step));
        assert_eq!(result.unwrap_err().reason, CloseReason::Aborted);
        closer.join().unwrap();
        drop(setup);
        overlap.check(&handle);
    });
}

/// R24: after a poll that returned `Pending`, the waker is woken.
#[test]
fn r24_close_vs_step_polled_by_hand() {
    model(|| {
        let mut setup = setup();
        let handle = setup.handle();
        let (overlap, step) = Overlap::new(&mut setup);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));

        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted).unwrap()
        });
        let mut step = Box::pin(setup.run(step));
        // Twice: the second one finds the waker in its place.
        let mut polled = poll_once(step.as_mut(), &waker);
        if polled.is_pending() {
            polled = poll_once(step.as_mut(), &waker);
        }
        closer.join().unwrap();
        if polled.is_pending() {
            assert_eq!(woken.count(), 1, "lost wake-up");
            polled = poll_once(step.as_mut(), &waker);
        }
        assert!(matches!(polled, Poll::Ready(Err(_))));
        drop(step);
        drop(setup);
        overlap.check(&handle);
    });
}

/// R13, R24: the step is given up in mid flight, or with it the handler's future,
/// while somebody closes.
#[test]
fn r13_r24_close_vs_step_dropped() {
    for with_owner in [false, true] {
        model(move || {
            let mut setup = setup();
            let handle = setup.handle();
            let (overlap, step) = Overlap::new(&mut setup);
            let closer = spawn({
                let handle = handle.clone();
                move || handle.close(CloseReason::Aborted)
            });
            let mut step = Box::pin(setup.run(step));
            _ = poll_once(step.as_mut(), Waker::noop());
            drop(step);
            if with_owner {
                drop(setup);
                _ = closer.join().unwrap();
            } else {
                closer.join().unwrap().unwrap();
                drop(setup);
            }
            overlap.check(&handle);
        });
    }
}

/// R24: a forgotten step costs nobody the undo: once live, the closer runs it; else
/// the owner when it goes.
#[test]
fn r24_close_vs_step_forgotten() {
    model(|| {
        let (mut setup, undone) = counted();
        let handle = setup.handle();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted).unwrap()
        });
        let mut step = Box::pin(setup.run(pending::<()>()));
        _ = poll_once(step.as_mut(), Waker::noop());
        std::mem::forget(step);
        let live = setup.go_live();
        closer.join().unwrap();
        assert_eq!(undone.get(), 1);
        settled(&handle);
        drop(live);
        assert_eq!(undone.get(), 1);
    });
}

/// R6, R24: the step completes while another thread closes. The output is handed out, or it
/// is dropped before the undo; either way the owner undoes, and sees all that the step did.
#[test]
fn r6_r24_close_vs_step_completing() {
    model(|| {
        let mut setup = setup();
        let handle = setup.handle();
        let acquired = Fact::new();
        let (ran, undone) = (Count::default(), Count::default());
        let dropped_first = Arc::new(AtomicBool::new(false));
        let undone_by_owner = Arc::new(AtomicBool::new(false));
        let output_dropped = Arc::new(AtomicBool::new(false));
        setup
            .on_close({
                let (ran, undone, acquired) = (ran.clone(), undone.clone(), acquired.clone());
                let first = Arc::clone(&dropped_first);
                let on_owner = Arc::clone(&undone_by_owner);
                let owner = loom::thread::current().id();
                let dropped = Arc::clone(&output_dropped);
                move || {
                    undone.add();
                    first.store(dropped.load(SeqCst), SeqCst);
                    on_owner.store(loom::thread::current().id() == owner, SeqCst);
                    assert!(ran.get() == 0 || acquired.is_seen());
                }
            })
            .unwrap();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted).unwrap()
        });
        let output = Dropped(Arc::clone(&output_dropped));
        let result = block_on(setup.run({
            let (ran, undone) = (ran.clone(), undone.clone());
            async move {
                assert_eq!(undone.get(), 0, "the step runs after its undo");
                ran.add();
                acquired.state();
                output
            }
        }));
        closer.join().unwrap();
        drop(setup);
        if result.is_ok() {
            assert!(!output_dropped.load(SeqCst));
        } else {
            assert!(output_dropped.load(SeqCst));
            // Newest first, if there was an output at all.
            assert!(dropped_first.load(SeqCst) || ran.get() == 0);
        }
        assert!(undone_by_owner.load(SeqCst), "the duty is the owner's");
        assert_eq!(undone.get(), 1);
        assert_eq!(settled(&handle).panics, Vec::<String>::new());
    });
}

/// R24, R7: two closers and a step.
#[test]
fn r24_r7_two_closers_vs_step_3() {
    model_3(3, || {
        let mut setup = setup();
        let handle = setup.handle();
        let (overlap, step) = Overlap::new(&mut setup);
        let closers = [CloseReason::Idle, CloseReason::Shutdown].map(|reason| {
            let handle = handle.clone();
            spawn(move || handle.close(reason).is_ok())
        });
        let closed = block_on(setup.run(step)).unwrap_err();
        let [idle, shutdown] = closers.map(|closer| closer.join().unwrap());
        assert!(idle != shutdown);
        assert_eq!(closed.reason == CloseReason::Idle, idle);
        drop(setup);
        overlap.check(&handle);
    });
}

/// R24, I2: the undo of a step of a live connection sees all that the step did, on whichever
/// thread it runs, also if the close began before the step.
#[test]
fn r24_close_vs_live_step_completing() {
    model(|| {
        let mut setup = setup();
        // So that the word is the same before the step and after it.
        setup.on_close(|| ()).unwrap();
        let mut live = setup.go_live().unwrap();
        let handle = live.handle();
        let (acquired, ran, undone) = (Fact::new(), Count::default(), Count::default());
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted).unwrap()
        });
        let undo = {
            let (acquired, ran, undone) = (acquired.clone(), ran.clone(), undone.clone());
            move || {
                undone.add();
                assert!(ran.get() == 0 || acquired.is_seen(), "the step is not seen");
            }
        };
        let step = {
            let ran = ran.clone();
            async move {
                ran.add();
                acquired.state();
            }
        };
        _ = block_on(live.step(step).undo(undo));
        closer.join().unwrap();
        assert!(undone.get() == 1 || ran.get() == 0);
        assert_eq!(settled(&handle).panics, Vec::<String>::new());
        drop(live);
    });
}

/// I1: the owner that undoes, because its step completed after the close, sees what the closer
/// did before it closed.
#[test]
fn i1_the_owner_that_undoes_sees_what_the_closer_did() {
    model(|| {
        let mut setup = setup();
        let (done, undone) = (Fact::new(), Count::default());
        setup
            .on_close({
                let (done, undone) = (done.clone(), undone.clone());
                move || {
                    undone.add();
                    assert!(done.is_seen(), "the closer is not seen");
                }
            })
            .unwrap();
        let mut live = setup.go_live().unwrap();
        let handle = live.handle();
        let owner = spawn(move || {
            _ = block_on(live.step(async {}));
            live
        });
        let closer = spawn({
            let handle = handle.clone();
            move || {
                done.state();
                handle.close(CloseReason::Aborted).unwrap();
            }
        });
        closer.join().unwrap();
        let live = owner.join().unwrap();
        assert_eq!(undone.get(), 1);
        assert_eq!(settled(&handle).panics, Vec::<String>::new());
        drop(live);
    });
}

/// Keeps its one task.
#[derive(Clone, Default)]
struct Kept(Arc<std::sync::Mutex<Option<BoxFuture<()>>>>);

impl Runtime for Kept {
    fn spawn(&self, task: BoxFuture<()>) {
        *self.0.lock().unwrap() = Some(task);
    }

    fn now(&self) -> std::time::Instant {
        unreachable!("a task needs no time")
    }

    fn sleep(&self, _: std::time::Duration) -> BoxFuture<()> {
        unreachable!("a task needs no time")
    }
}

/// R24, I2: the output of work on a live connection is handed out before the undo runs, or is
/// dropped before it.
#[test]
fn r24_close_vs_output_of_work_handed_out() {
    model(|| {
        let runtime = Kept::default();
        let _entered = enter(runtime.clone());
        let mut live = setup().go_live().unwrap();
        let handle = live.handle();
        let output_dropped = Arc::new(AtomicBool::new(false));
        // Whether the undo has run on this thread with the output there.
        let overlaps = Arc::new(AtomicBool::new(false));
        let undo = {
            let (dropped, overlaps) = (Arc::clone(&output_dropped), Arc::clone(&overlaps));
            let owner = loom::thread::current().id();
            move || {
                let on_owner = loom::thread::current().id() == owner;
                overlaps.store(on_owner && !dropped.load(SeqCst), SeqCst);
            }
        };
        let output = Dropped(Arc::clone(&output_dropped));
        let mut finish = Box::pin(live.finish("work", async move { output }).undo(undo));
        assert!(poll_once(finish.as_mut(), Waker::noop()).is_pending());
        block_on(runtime.0.lock().unwrap().take().unwrap());
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted).unwrap()
        });
        let Poll::Ready(output) = poll_once(finish.as_mut(), Waker::noop()) else {
            panic!("the work is complete");
        };
        assert!(!overlaps.load(SeqCst), "undone while the output is there");
        assert_eq!(output.is_err(), output_dropped.load(SeqCst));
        closer.join().unwrap();
        drop((finish, output));
        settled(&handle);
        drop(live);
    });
}
