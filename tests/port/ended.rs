//! A runtime that has ended is replaced by another one.

use std::sync::{Arc, Mutex};
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
