//! Asynchronous undos: the task that runs one, and how it ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::Lifecycle;
use super::cell::Cold;
use super::running_undo::{RunningKind, RunningUndo};
use super::undos::{Undo, Undos};
use super::waits_for::Label;
use crate::panic::catch_panic;
use crate::runtime;
use crate::sync::lock;
use crate::sync::waiters::wake;
use crate::time::SweepTime;

pin_project! {
    /// The duty to run one undo, and then the older ones: discharged when the task is
    /// complete, or dropped.
    struct AsyncUndo<F, Fut> {
        lifecycle: Arc<Lifecycle>,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It returned, or it panicked, which is reported as a panic.
    Complete,
    Abandoned,
}

impl Undos {
    /// Puts an undo on top that runs on a runtime: the one that is found now, else the one
    /// that is found where it begins.
    pub(crate) fn push_spawned<F, Fut>(&mut self, lifecycle: &Arc<Lifecycle>, label: Label, undo: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let lifecycle = Arc::clone(lifecycle);
        let runtime = lifecycle.runtime();
        self.push_async(label, move || {
            let task = AsyncUndo {
                lifecycle,
                begin: Some(undo),
                future: None,
                ended: false,
            };
            // Without a runtime the task is dropped, which reports its name.
            if let Some(runtime) = runtime.or_else(runtime::current) {
                runtime.spawn(Box::pin(task));
            }
        });
    }

    /// Puts an undo on top that may block, and runs where that holds up no task.
    pub(crate) fn push_blocking(
        &mut self,
        lifecycle: &Arc<Lifecycle>,
        label: Label,
        undo: impl FnOnce() + Send + 'static,
    ) {
        let lifecycle = Arc::clone(lifecycle);
        let runtime = lifecycle.runtime();
        self.push_async(label, move || {
            let work = BlockingUndo {
                lifecycle,
                undo: Some(undo),
            };
            if let Some(runtime) = runtime.or_else(runtime::current) {
                runtime.spawn_blocking(Box::new(move || work.run()));
            }
        });
    }
}

/// The duty to run one blocking undo, and then the older ones: discharged when it has run,
/// or is dropped.
struct BlockingUndo<F: FnOnce()> {
    lifecycle: Arc<Lifecycle>,
    undo: Option<F>,
}

impl<F: FnOnce()> BlockingUndo<F> {
    fn run(mut self) {
        // Looked at once: what has begun to block cannot be stopped.
        if !self.lifecycle.is_undo_abandoned(Waker::noop()) {
            if let Some(undo) = self.undo.take() {
                self.lifecycle.catch_panic(undo);
            }
        }
    }
}

impl<F: FnOnce()> Drop for BlockingUndo<F> {
    fn drop(&mut self) {
        let outcome = match self.undo.take() {
            None => Outcome::Complete,
            Some(undo) => {
                self.lifecycle.catch_panic(|| drop(undo));
                Outcome::Abandoned
            }
        };
        self.lifecycle.end_undo(outcome);
    }
}

impl<F, Fut> AsyncUndo<F, Fut> {
    fn end(self: Pin<&mut Self>, outcome: Outcome) {
        let mut this = self.project();
        *this.ended = true;
        // Dropped before the older undos run (I2), and a panic of the drop is contained, so
        // that they do run (I5).
        this.lifecycle.catch_panic(|| drop(this.begin.take()));
        this.lifecycle.catch_panic(|| this.future.set(None));
        this.lifecycle.end_undo(outcome);
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
        if self.lifecycle.is_undo_abandoned(cx.waker()) {
            self.end(Outcome::Abandoned);
            return Poll::Ready(());
        }
        let mut this = self.as_mut().project();
        #[cfg(feature = "tracing")]
        let _entered = this.lifecycle.enter_span();
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
    /// An asynchronous undo is over, and dropped.
    fn end_undo(&self, outcome: Outcome) {
        let mut inner = lock(&self.inner);
        inner.progress.undo_has_run();
        let cold = inner.cold();
        let running = cold.running_undo.take().expect("it has begun");
        if outcome == Outcome::Abandoned {
            cold.abandoned.push(running.label.name.to_string());
        }
        drop(inner);
        // The drop of a waker runs code of the executor.
        let (beginning, has_slot) = (running.beginning, running.has_slot);
        self.catch_panic(|| drop(running));
        if has_slot {
            self.give_slot_back();
        }
        if !beginning {
            self.unwind();
        }
    }

    /// Starts the clock of an undo. Under the lock of the parts: a sweep that abandons an
    /// overdue undo means this one.
    fn undo_begins(&self) {
        if let Some(timers) = self.timers() {
            timers.undo_begun();
        }
    }

    /// Begins an undo, or lets it wait for a slot; `true` if it is over already. Else its end
    /// continues the unwinding.
    pub(super) fn start_undo(&self, mut running: RunningUndo, undo: Box<dyn Undo>) -> bool {
        let slots = self.group.undo_slots.as_ref();
        // Made while this thread alone can settle the connection.
        let slots = slots.map(|slots| (slots, self.group.share(self)));
        let mut inner = lock(&self.inner);
        let cold = inner.cold();
        // What is abandoned ends when it begins, and needs no slot for that.
        let is_abandoned = cold.abandon_undos && running.kind != RunningKind::Last;
        match slots.filter(|_| !is_abandoned) {
            None => {
                cold.running_undo = Some(Box::new(running));
                self.undo_begins();
                drop(inner);
                self.begin_undo(undo)
            }
            Some((slots, this)) => {
                running.queued = Some(undo);
                cold.running_undo = Some(Box::new(running));
                drop(inner);
                slots.take(&this) && self.begin_queued_undo()
            }
        }
    }

    /// Begins an undo on its task: as [`start_undo`](Self::start_undo).
    fn begin_undo(&self, undo: Box<dyn Undo>) -> bool {
        self.catch_panic(|| undo.run());
        // The undo may end inside `run`. Of this call and `end_undo`, the later one continues,
        // so neither recurses.
        match &mut lock(&self.inner).cold().running_undo {
            Some(running) => {
                running.beginning = false;
                false
            }
            None => true,
        }
    }

    /// Begins the undo that has waited for a slot, since it has one now: as
    /// [`start_undo`](Self::start_undo). Gives the slot back if the undo was abandoned before.
    fn begin_queued_undo(&self) -> bool {
        let mut inner = lock(&self.inner);
        let running = inner.cold().running_undo.as_mut();
        let queued = running.and_then(|running| {
            let undo = running.queued.take()?;
            running.has_slot = true;
            Some(undo)
        });
        if queued.is_some() {
            self.undo_begins();
        }
        drop(inner);
        match queued {
            Some(undo) => self.begin_undo(undo),
            None => {
                self.give_slot_back();
                false
            }
        }
    }

    fn give_slot_back(&self) {
        let slots = self.group.undo_slots.as_ref();
        slots.expect("it had a slot").give_back(|next| {
            if next.begin_queued_undo() {
                next.unwind();
            }
        });
    }

    /// Whether the running undo is to be abandoned; if not, `task` is woken when it is.
    pub(super) fn is_undo_abandoned(&self, task: &Waker) -> bool {
        let task = task.clone();
        let mut inner = lock(&self.inner);
        let cold = inner.cold();
        let abandon_all = cold.abandon_undos;
        let running = cold.running_undo.as_mut().expect("it has begun");
        let replaced = running.task.replace(task);
        let abandon_this = abandon_all && running.kind != RunningKind::Last;
        let abandoned = running.abandoned || abandon_this;
        drop(inner);
        drop(replaced);
        abandoned
    }

    /// Abandons the running undo if it is overdue at `time`.
    pub(crate) fn abandon_overdue_undo(&self, time: SweepTime) {
        self.abandon(|cold| {
            let running = cold.running_undo.as_ref();
            if running.is_some_and(|running| running.queued.is_some()) {
                return false;
            }
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
        let (mut task, mut queued) = (None, None);
        if condition(cold) {
            if let Some(running) = &mut cold.running_undo {
                running.abandoned = true;
                task = running.task.take();
                queued = running.queued.take();
            }
        }
        drop(inner);
        if let Some(task) = task {
            wake(task);
        }
        // It begins, and ends in its first poll: where undos run, and not here.
        if queued.is_some_and(|undo| self.begin_undo(undo)) {
            self.unwind();
        }
    }
}
