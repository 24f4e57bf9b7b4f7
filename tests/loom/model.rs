//! How a model is run, and what models are made of.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use hangup::report::Settled;
use hangup::{Handle, Registering, Scope};
use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Runs `f` in every interleaving of its threads, or those within
/// `LOOM_MAX_PREEMPTIONS`.
pub(crate) fn model(f: impl Fn() + Send + Sync + 'static) {
    explore(loom::model::Builder::new(), f);
}

/// The same for three threads, at most `bound` preemptions each: nobody can wait
/// for all of them.
pub(crate) fn model_3(bound: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(builder.preemption_bound.map_or(bound, |b| b.min(bound)));
    explore(builder, f);
}

pub(crate) fn explore(builder: loom::model::Builder, f: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&executions);
    builder.check(move || {
        count.fetch_add(1, SeqCst);
        f();
    });
    print!("{} executions, ", executions.load(SeqCst));
}

/// Counts.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// A fact that only a happens-before edge makes visible.
#[derive(Clone)]
pub(crate) struct Fact(Arc<loom::sync::atomic::AtomicUsize>);

impl Fact {
    pub(crate) fn new() -> Self {
        Self(Arc::new(loom::sync::atomic::AtomicUsize::new(0)))
    }

    pub(crate) fn state(&self) {
        self.0.store(1, Relaxed);
    }

    pub(crate) fn is_seen(&self) -> bool {
        self.0.load(Relaxed) == 1
    }
}

/// A signal from thread to thread: who sees it sees what came before it.
#[derive(Clone)]
pub(crate) struct Signal(Arc<loom::sync::atomic::AtomicBool>);

impl Signal {
    pub(crate) fn new() -> Self {
        Self(Arc::new(loom::sync::atomic::AtomicBool::new(false)))
    }

    pub(crate) fn send(&self) {
        self.0.store(true, Release);
    }

    pub(crate) fn is_sent(&self) -> bool {
        self.0.load(Acquire)
    }
}

/// A waker that counts.
#[derive(Default)]
pub(crate) struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Woken {
    pub(crate) fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// Notes that it was dropped.
pub(crate) struct Dropped(pub(crate) Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

pub(crate) fn setup() -> Registering {
    Scope::new().open().unwrap().register().unwrap()
}

/// What `settled` says now; it must be ready.
pub(crate) fn settled(handle: &Handle) -> Settled {
    match poll_once(pin!(handle.settled()), Waker::noop()) {
        Poll::Ready(settled) => settled,
        Poll::Pending => panic!("{handle:?} has not settled"),
    }
}

/// A set-up whose undo is counted.
pub(crate) fn counted() -> (Registering, Count) {
    let undone = Count::default();
    let mut setup = setup();
    let count = undone.clone();
    setup.on_close(move || count.add()).unwrap();
    (setup, undone)
}

/// Sweeps until what has happened before has a date, which takes two.
pub(crate) fn date(scope: &Scope, now: Instant) {
    for _ in 0..2 {
        assert_eq!(scope.sweep(now), 0);
    }
}
