//! Work that belongs to a connection meets its end.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};

use hangup::{CloseReason, Handle, Live};
use loom::future::block_on;
use loom::thread::{JoinHandle, spawn, yield_now};

use crate::model::{Count, Fact, Woken, model, model_3, poll_once, settled, setup};
use crate::spawn_with::OnCloseSpawn;

/// Work, and an undo that notes if the two overlap.
#[derive(Clone)]
struct Overlap {
    undos_run: Count,
    undoing: Arc<AtomicBool>,
    running: Count,
    ended: Count,
    overlaps: Count,
    busy: Fact,
}

/// Runs from its first poll until it is dropped. Completes in that poll, or never.
struct Work {
    overlap: Overlap,
    begun: bool,
    completes: bool,
}

impl Overlap {
    fn new() -> (Live, Self) {
        let overlap = Self {
            undos_run: Count::default(),
            undoing: Arc::default(),
            running: Count::default(),
            ended: Count::default(),
            overlaps: Count::default(),
            busy: Fact::new(),
        };
        let mut setup = setup();
        let it = overlap.clone();
        setup
            .on_close(move || {
                it.undoing.store(true, SeqCst);
                it.undos_run.add();
                it.check_now();
                it.busy.state();
                it.check_now();
            })
            .unwrap();
        (setup.go_live().unwrap(), overlap)
    }

    fn work(&self, completes: bool) -> Work {
        Work {
            overlap: self.clone(),
            begun: false,
            completes,
        }
    }

    fn check_now(&self) {
        if self.running.get() > self.ended.get() {
            self.overlaps.add();
        }
    }

    fn check(&self, handle: &Handle) {
        assert_eq!(settled(handle).undos_run, 1);
        assert_eq!(self.undos_run.get(), 1);
        assert_eq!(self.overlaps.get(), 0, "the undo overlaps the work");
    }
}

impl Future for Work {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if !self.begun {
            self.begun = true;
            self.overlap.running.add();
        }
        if self.overlap.undoing.load(SeqCst) {
            self.overlap.overlaps.add();
        }
        self.overlap.busy.state();
        match self.completes {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if self.begun {
            self.overlap.busy.state();
            if self.overlap.undoing.load(SeqCst) {
                self.overlap.overlaps.add();
            }
            self.overlap.ended.add();
        }
    }
}

/// I2: a close wakes the work's task, the work is dropped, and then it is undone.
#[test]
fn i2_close_vs_tracked_task_that_hangs() {
    model(|| {
        let (live, overlap) = Overlap::new();
        let handle = live.handle();
        let work = live.track(overlap.work(false));
        let task = spawn(move || block_on(work));
        handle.close(CloseReason::Idle).unwrap();
        let closed = task.join().unwrap().unwrap_err();
        assert_eq!(closed.reason, CloseReason::Idle);
        overlap.check(&handle);
        drop(live);
    });
}

/// I2: the same by hand: after `Pending`, the waker is woken.
#[test]
fn i2_close_vs_tracked_task_polled_by_hand() {
    model(|| {
        let (live, overlap) = Overlap::new();
        let handle = live.handle();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut work = Box::pin(live.track(overlap.work(false)));
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Idle).unwrap()
        });
        let mut polled = poll_once(work.as_mut(), &waker);
        if polled.is_pending() {
            polled = poll_once(work.as_mut(), &waker);
        }
        closer.join().unwrap();
        if polled.is_pending() {
            assert!(woken.count() >= 1, "lost wake-up");
            assert_eq!(overlap.undos_run.get(), 0, "undone before the work is gone");
            polled = poll_once(work.as_mut(), &waker);
        }
        assert!(matches!(polled, Poll::Ready(Err(_))));
        overlap.check(&handle);
    });
}

/// I2: the work completes, or is dropped, while somebody closes: it is undone once, by the
/// one or the other, and the work is over by then.
#[test]
fn i2_close_vs_tracked_task_ends() {
    for is_dropped in [false, true] {
        model(move || {
            let (live, overlap) = Overlap::new();
            let handle = live.handle();
            let work = live.track(overlap.work(!is_dropped));
            let task = spawn(move || {
                let mut work = Box::pin(work);
                _ = poll_once(work.as_mut(), Waker::noop());
            });
            handle.close(CloseReason::Idle).unwrap();
            task.join().unwrap();
            overlap.check(&handle);
            drop(live);
        });
    }
}

/// I2: the undo sees what the work did.
#[test]
fn i2_undo_sees_the_tracked_task() {
    model(|| {
        let mut setup = setup();
        let (done, seen) = (Fact::new(), Count::default());
        setup
            .on_close({
                let (done, seen) = (done.clone(), seen.clone());
                move || {
                    if done.is_seen() {
                        seen.add();
                    }
                }
            })
            .unwrap();
        let live = setup.go_live().unwrap();
        let handle = live.handle();
        struct States(Fact);
        impl Drop for States {
            fn drop(&mut self) {
                self.0.state();
            }
        }
        let work = live.track({
            let done = States(done);
            async move {
                let _done = done;
                pending::<()>().await;
            }
        });
        let task = spawn(move || drop(work));
        handle.close(CloseReason::Idle).unwrap();
        task.join().unwrap();
        assert_eq!(seen.get(), 1);
        settled(&handle);
        drop(live);
    });
}

/// I2: work begins while somebody closes: the undo waits for it, or it never runs.
#[test]
fn i2_close_vs_tracked_begins() {
    model(|| {
        let (live, overlap) = Overlap::new();
        let handle = live.handle();
        let closer = closed_elsewhere(&handle);
        let mut work = Box::pin(live.track(overlap.work(false)));
        _ = poll_once(work.as_mut(), Waker::noop());
        drop(work);
        closer.join().unwrap();
        overlap.check(&handle);
        drop(live);
    });
}

/// I2: work that begins when it is too late delays nothing, however long it is kept.
#[test]
fn i2_scoped_begins_after_the_close() {
    model(|| {
        let (live, overlap) = Overlap::new();
        let handle = live.handle();
        let closer = closed_elsewhere(&handle);
        // Or loom would not let the closer go first.
        yield_now();
        let late = handle.state().is_closed();
        let kept = live.track(overlap.work(false));
        closer.join().unwrap();
        if late {
            overlap.check(&handle);
        }
        drop(kept);
        overlap.check(&handle);
    });
}

/// I2: two end at once, after the close: the last one, whichever it is, undoes.
#[test]
fn i2_two_scoped_end_at_once() {
    model(|| {
        let (live, overlap) = Overlap::new();
        let handle = live.handle();
        let [mut one, mut two] = [(); 2].map(|()| Box::pin(live.track(overlap.work(false))));
        for work in [&mut one, &mut two] {
            assert!(poll_once(work.as_mut(), Waker::noop()).is_pending());
        }
        handle.close(CloseReason::Idle).unwrap();
        assert_eq!(overlap.undos_run.get(), 0);
        let other = spawn(move || drop(one));
        drop(two);
        other.join().unwrap();
        overlap.check(&handle);
        drop(live);
    });
}

/// I2: and while somebody closes.
#[test]
fn i2_close_vs_two_scoped_end_3() {
    model_3(3, || {
        let (live, overlap) = Overlap::new();
        let handle = live.handle();
        let tasks = [(); 2].map(|()| {
            let work = live.track(overlap.work(true));
            spawn(move || _ = block_on(work))
        });
        handle.close(CloseReason::Idle).unwrap();
        for task in tasks {
            task.join().unwrap();
        }
        overlap.check(&handle);
        drop(live);
    });
}

/// I2: one ends while another one begins and somebody closes.
#[test]
fn i2_close_vs_tracked_ends_vs_scoped_begins_3() {
    model_3(3, || {
        let (live, overlap) = Overlap::new();
        let handle = live.handle();
        let work = live.track(overlap.work(true));
        let task = spawn(move || _ = block_on(work));
        let closer = closed_elsewhere(&handle);
        drop(live.track(overlap.work(true)));
        task.join().unwrap();
        closer.join().unwrap();
        overlap.check(&handle);
        drop(live);
    });
}

/// I1, I2: work panics while somebody closes: one reason, and the undo comes when the work is
/// gone.
#[test]
fn i1_i2_close_vs_tracked_panics() {
    model(|| {
        let (live, overlap) = Overlap::new();
        let handle = live.handle();
        let mut work = overlap.work(false);
        let work = live.track(async move {
            _ = poll_once(Pin::new(&mut work), Waker::noop());
            std::panic::resume_unwind(Box::new("in the work"));
        });
        let task = spawn(move || {
            let mut work = Box::pin(work);
            let poll = std::panic::AssertUnwindSafe(|| poll_once(work.as_mut(), Waker::noop()));
            _ = std::panic::catch_unwind(poll);
        });
        let won = handle.close(CloseReason::Idle).is_ok();
        task.join().unwrap();
        overlap.check(&handle);
        let reason = match won {
            true => CloseReason::Idle,
            false => CloseReason::Failed,
        };
        assert_eq!(settled(&handle).closed.reason, reason);
        drop(live);
    });
}

/// I2: the work ends, and an asynchronous undo begins where it does; somebody closes.
#[test]
fn i2_close_vs_tracked_ends_before_an_async_undo() {
    model(|| {
        let mut setup = setup();
        let (running, overlaps) = (Arc::new(AtomicBool::new(false)), Count::default());
        setup
            .on_close_spawn("slow", block_on, {
                let (running, overlaps) = (Arc::clone(&running), overlaps.clone());
                move || async move {
                    if running.load(SeqCst) {
                        overlaps.add();
                    }
                }
            })
            .unwrap();
        let live = setup.go_live().unwrap();
        let handle = live.handle();
        let work = live.track(async move {
            running.store(true, SeqCst);
            let busy = Fact::new();
            busy.state();
            running.store(false, SeqCst);
        });
        let task = spawn(move || _ = block_on(work));
        handle.close(CloseReason::Idle).unwrap();
        task.join().unwrap();
        assert_eq!(settled(&handle).undos_run, 1);
        assert_eq!(overlaps.get(), 0);
        drop(live);
    });
}

/// Somebody closes, on a thread of its own.
fn closed_elsewhere(handle: &Handle) -> JoinHandle<()> {
    let handle = handle.clone();
    spawn(move || handle.close(CloseReason::Idle).unwrap())
}
