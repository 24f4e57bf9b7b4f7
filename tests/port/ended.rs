//! A runtime that has ended is replaced by another one.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures::executor::block_on;
use hangup::runtime::{self, BoxFuture, Runtime};
use hangup::{CloseReason, Deadlines, OpenError, Scope};

use crate::adapters::Threads;

/// Runs on threads until it ends; then it drops its tasks, those that come later too.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Tasks>>);

#[derive(Default)]
struct Tasks {
    ended: bool,
    kept: Vec<BoxFuture<()>>,
}

impl Ends {
    fn end(&self) {
        let mut tasks = self.0.lock().unwrap();
        tasks.ended = true;
        let kept = std::mem::take(&mut tasks.kept);
        drop(tasks);
        drop(kept);
    }

    fn tasks(&self) -> usize {
        self.0.lock().unwrap().kept.len()
    }
}

impl Runtime for Ends {
    fn spawn(&self, task: BoxFuture<()>) {
        let mut tasks = self.0.lock().unwrap();
        if !tasks.ended {
            tasks.kept.push(task);
        }
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<()> {
        Box::pin(std::future::pending())
    }
}

fn scope() -> hangup::ScopeBuilder {
    Scope::builder()
        .deadlines(Deadlines::new().setup(Duration::from_millis(5)))
        .sweep_every(Duration::from_millis(1))
}

#[test]
fn one_task_sweeps_however_many_open() {
    let ends = Ends::default();
    let scope = scope().runtime(ends.clone()).build();
    assert_eq!(ends.tasks(), 0, "no connection needs it yet");
    let opened: Vec<_> = (0..10).map(|_| scope.open().unwrap()).collect();
    assert_eq!(ends.tasks(), 1);
    drop(opened);
}

#[test]
fn the_next_open_finds_another_runtime_for_the_sweeps() {
    let ends = Ends::default();
    let scope = scope().build();
    let first = {
        let _entered = runtime::enter(ends.clone());
        scope.open().unwrap()
    };
    ends.end();
    // Nothing keeps the deadlines now, and no runtime is there to do so.
    assert_eq!(scope.open().unwrap_err(), OpenError::NoRuntime);

    let _entered = runtime::enter(Threads);
    let second = scope.open().unwrap();
    for setup in [first, second] {
        let closed = block_on(setup.handle().closed());
        assert_eq!(closed.reason, CloseReason::Expired);
    }
}

#[test]
fn a_scope_whose_runtime_has_ended_uses_the_one_of_the_thread() {
    let ends = Ends::default();
    ends.end();
    let scope = scope().runtime(ends).build();
    assert_eq!(scope.open().unwrap_err(), OpenError::NoRuntime);
    let _entered = runtime::enter(Threads);
    let setup = scope.open().unwrap();
    let closed = block_on(setup.handle().closed());
    assert_eq!(closed.reason, CloseReason::Expired);
}

/// The first task that sweeps is spawned by a thread that is in the middle of spawning
/// another one: of the two, the one that was confirmed last goes on.
#[test]
fn of_two_tasks_that_sweep_one_ends() {
    #[derive(Clone, Default)]
    struct Reenters(Arc<Mutex<Inside>>);
    #[derive(Default)]
    struct Inside {
        scope: Option<Scope>,
        opened: Vec<hangup::Pending>,
        tasks: Vec<BoxFuture<()>>,
    }
    impl Runtime for Reenters {
        fn spawn(&self, task: BoxFuture<()>) {
            let scope = self.0.lock().unwrap().scope.take();
            if let Some(scope) = scope {
                let opened = scope.open().unwrap();
                self.0.lock().unwrap().opened.push(opened);
            }
            self.0.lock().unwrap().tasks.push(task);
        }
        fn now(&self) -> Instant {
            Instant::now()
        }
        fn sleep(&self, _: Duration) -> BoxFuture<()> {
            // Fires once for each poll of the task.
            let mut fires = false;
            Box::pin(std::future::poll_fn(move |_| {
                fires = !fires;
                if fires {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            }))
        }
    }

    let runtime = Reenters::default();
    let scope = scope().runtime(runtime.clone()).build();
    runtime.0.lock().unwrap().scope = Some(scope.clone());
    let _opened = scope.open().unwrap();
    let mut tasks = std::mem::take(&mut runtime.0.lock().unwrap().tasks);
    assert_eq!(tasks.len(), 2);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..3 {
        tasks.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!(tasks.len(), 1);
}

/// Its turn is over when the task for it is dropped.
#[test]
fn a_drain_ends_on_a_runtime_that_has_ended() {
    let runtime = Ends::default();
    runtime.end();
    let scope = Scope::builder().runtime(runtime).build();
    let live = scope.live().unwrap();
    let report = block_on(async { scope.drain(Duration::from_secs(1)).await }).unwrap();
    assert_eq!((report.closed, report.forced), (1, 0));
    drop(live);
}

/// The deadline bounds the turn, and nothing is forced for it.
#[test]
fn a_drain_ends_on_a_runtime_that_runs_no_task() {
    struct Idle(Ends);

    impl Runtime for Idle {
        fn spawn(&self, task: BoxFuture<()>) {
            self.0.spawn(task);
        }

        fn now(&self) -> Instant {
            Instant::now()
        }

        fn sleep(&self, _: Duration) -> BoxFuture<()> {
            Box::pin(std::future::ready(()))
        }
    }

    let tasks = Ends::default();
    let scope = Scope::builder().runtime(Idle(tasks.clone())).build();
    let live = scope.live().unwrap();
    let report = block_on(async { scope.drain(Duration::from_secs(1)).await }).unwrap();
    assert_eq!((report.closed, report.forced), (1, 0));
    assert_eq!(tasks.tasks(), 1);
    drop(live);
}

/// Polls a task at once, and its first sleep is over at once: the thread that opens a connection is
/// as good as stopped between the two.
#[derive(Clone, Default)]
struct Quick(Arc<Mutex<Tasks>>);

impl Runtime for Quick {
    fn spawn(&self, mut task: BoxFuture<()>) {
        let polled = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if polled.is_pending() {
            self.0.lock().unwrap().kept.push(task);
        }
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<()> {
        let mut tasks = self.0.lock().unwrap();
        match std::mem::replace(&mut tasks.ended, true) {
            false => Box::pin(std::future::ready(())),
            true => Box::pin(std::future::pending()),
        }
    }
}

#[test]
fn a_sweep_that_comes_before_its_task_is_known_does_not_end_it() {
    let quick = Quick::default();
    let scope = scope().runtime(quick.clone()).build();
    let pending = scope.open().unwrap();
    assert_eq!(quick.0.lock().unwrap().kept.len(), 1);
    drop((pending, scope));
    quick.0.lock().unwrap().kept.clear();
}
