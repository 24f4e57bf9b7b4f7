//! Asynchronous undos: the task that runs one, and how it ends.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::cell::Cold;
use super::{Lifecycle, Then};
use crate::panic::catch_panic;
use crate::runtime::BoxFuture;
use crate::sync::lock;
use crate::sync::waiters::wake;
use crate::time::SweepTime;

/// The name under which an undo is reported.
pub(crate) type Name = Cow<'static, str>;

pin_project! {
    /// The duty to run one undo, and then the older ones: discharged when the task is
    /// complete, or dropped.
    struct AsyncUndo<F, Fut> {
        lifecycle: Arc<Lifecycle>,
        name: Name,
        then: Then,
        // Called by the first poll, since it is user code.
        begin: Option<F>,
        #[pin]
        future: Option<Fut>,
        ended: bool,
    }

    impl<F, Fut> PinnedDrop for AsyncUndo<F, Fut> {
        fn drop(this: Pin<&mut Self>) {
            if !this.ended {
                this.end(Outcome::Abandoned);
            }
        }
    }
}

enum Outcome {
    /// It returned, or it panicked, which is reported as a panic.
    Complete,
    Abandoned,
}

/// The task that runs what `begin` returns as an undo.
pub(crate) fn async_undo<F, Fut>(
    lifecycle: Arc<Lifecycle>,
    name: Name,
    then: Then,
    begin: F,
) -> BoxFuture<()>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Box::pin(AsyncUndo {
        lifecycle,
        name,
        then,
        begin: Some(begin),
        future: None,
        ended: false,
    })
}

impl<F, Fut> AsyncUndo<F, Fut> {
    fn end(self: Pin<&mut Self>, outcome: Outcome) {
        let mut this = self.project();
        *this.ended = true;
        // Dropped before the older undos run (I2), and a panic of the drop is contained, so
        // that they do run (I5).
        this.lifecycle.catch_panic(|| drop(this.begin.take()));
        this.lifecycle.catch_panic(|| this.future.set(None));
        let abandoned = match outcome {
            Outcome::Complete => None,
            Outcome::Abandoned => Some(std::mem::take(this.name).into_owned()),
        };
        this.lifecycle.end_undo(*this.then, abandoned);
    }
}

impl<F, Fut> Future for AsyncUndo<F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = ()>,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        assert!(!self.ended, "polled after completion");
        if self.then == Then::UnwindOlder && self.lifecycle.is_undo_abandoned(cx.waker()) {
            self.end(Outcome::Abandoned);
            return Poll::Ready(());
        }
        let mut this = self.as_mut().project();
        let polled = catch_panic(|| {
            if let Some(begin) = this.begin.take() {
                this.future.set(Some(begin()));
            }
            let future = this.future.as_mut().as_pin_mut();
            future.expect("only `end` empties it").poll(cx)
        });
        match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            Err(message) => self.lifecycle.panicked(message),
        }
        self.end(Outcome::Complete);
        Poll::Ready(())
    }
}

impl Lifecycle {
    /// An asynchronous undo is over, and dropped. `abandoned` is its name if it did not run
    /// to its end.
    fn end_undo(&self, then: Then, abandoned: Option<String>) {
        let is_abandoned = abandoned.is_some();
        let mut inner = lock(&self.inner);
        inner.undos_run += 1;
        if let Some(name) = abandoned {
            inner.cold().abandoned.push(name);
        }
        if then == Then::Stop {
            drop(inner);
            self.group.undone_late(self.id());
            if is_abandoned {
                self.group.abandoned_late(self.id());
            }
            return;
        }
        let running = inner.cold().running_undo.take().expect("it has begun");
        drop(inner);
        // The drop of a waker runs code of the executor.
        self.catch_panic(|| drop(running.task));
        if !running.beginning {
            self.unwind();
        }
    }

    /// Whether the running undo is to be abandoned; if not, `task` is woken when it is.
    fn is_undo_abandoned(&self, task: &Waker) -> bool {
        let task = task.clone();
        let mut inner = lock(&self.inner);
        let cold = inner.cold();
        let abandon_all = cold.abandon_undos;
        let running = cold.running_undo.as_mut().expect("it has begun");
        let replaced = running.task.replace(task);
        let abandoned = running.abandoned || abandon_all;
        drop(inner);
        drop(replaced);
        abandoned
    }

    /// Abandons the running undo if it is overdue at `time`.
    pub(crate) fn abandon_overdue_undo(&self, time: SweepTime) {
        self.abandon(|_| {
            self.timers().is_some_and(|timers| {
                let deadlines = timers.deadlines(self.group.deadlines());
                timers.is_undo_overdue(deadlines, time)
            })
        });
    }

    /// Abandons the running undo, and every asynchronous one that would follow.
    pub(crate) fn abandon_undos(&self) {
        self.abandon(|cold| {
            cold.abandon_undos = true;
            true
        });
    }

    fn abandon(&self, condition: impl FnOnce(&mut Cold) -> bool) {
        let mut inner = lock(&self.inner);
        let cold = inner.cold();
        let task = if condition(cold) {
            cold.running_undo.as_mut().and_then(|running| {
                running.abandoned = true;
                running.task.take()
            })
        } else {
            None
        };
        drop(inner);
        if let Some(task) = task {
            wake(task);
        }
    }
}
