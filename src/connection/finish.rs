//! A step that runs to its end, whatever becomes of its owner.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::duty::Duty;
use super::owner::Owner;
use super::undo_methods::undo_methods;
use super::{Live, Registering};
use crate::lifecycle::{Handle, Label, Name, TaskId, Undos, WakerSlot};
use crate::panic::catch_panic;
use crate::runtime::Runtime;
use crate::state::{CloseReason, Closed};
use crate::sync::waiters::wake;
use crate::sync::{Mutex, lock};

/// Future of [`Registering::finish`] and [`Registering::finish_blocking`].
///
/// # Cancel safety
///
/// Once it was polled, the work runs to its end, also if this future is dropped.
#[must_use = "futures do nothing unless polled"]
pub struct Finish<'a, T> {
    owner: &'a Owner,
    duty: Duty,
    label: Label,
    // What the first poll registers.
    undos: Undos,
    begin: Option<Begin<T>>,
    shared: Arc<Mutex<Shared<T>>>,
    waker: WakerSlot,
}

/// Begins the work on a runtime.
type Begin<T> = Box<dyn FnOnce(&Arc<dyn Runtime>, Completion<T>) + Send>;

struct Shared<T> {
    outcome: Outcome<T>,
    /// The waker of the [`Finish`].
    waiter: Option<Waker>,
}

enum Outcome<T> {
    Running,
    /// The task ends after the output has been handed out, or is dropped: the output is
    /// newer than the undos (I2).
    Complete(T, EndTask),
    /// The work panicked, or its runtime has ended.
    Failed,
    /// The [`Finish`] is gone, or has handed out the output.
    Gone,
}

/// Ends the task when it is dropped.
struct EndTask {
    handle: Handle,
    id: TaskId,
}

/// The duty of the work to report how it went: fails the connection if it is dropped.
struct Completion<T> {
    end: Option<EndTask>,
    name: Name,
    shared: Arc<Mutex<Shared<T>>>,
}

macro_rules! finish {
    ($state:ident, $duty:expr) => {
        impl $state {
            /// Runs a step that must not be dropped half way: it survives the close, and the
            /// handler.
            ///
            /// `work` runs as a task of the connection on its [runtime](crate::runtime), from
            /// the first poll of the returned future on, and no close, deadline or drain cuts
            /// it. The undo waits until it is complete, so nothing is undone that is still
            /// being done. While a closed connection waits for it, it is reported under
            /// `name`, by [`Handle::waits_for`] and by the report of a drain.
            ///
            /// # Errors
            ///
            /// [`Closed`] as soon as the connection closes. If it had before the first poll,
            /// `work` is never polled and its undo never registered; else the output is
            /// dropped when it is complete, before the undo. A connection whose work panics,
            /// or cannot run to its end since there is no runtime any more, closes as
            /// [`Failed`](CloseReason::Failed).
            ///
            /// # Cancel safety
            ///
            /// Dropping the future leaves `work` running if it was polled.
            ///
            /// # Examples
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # async fn insert() -> u32 { 7 }
            /// # fn delete() {}
            /// # let mut setup = hangup::Scope::new().open()?.register()?;
            /// let row = setup.finish("insert", insert()).undo(delete).await?;
            /// assert_eq!(row, 7);
            /// # Ok(())
            /// # }
            /// ```
            #[track_caller]
            pub fn finish<F>(&mut self, name: impl Into<Name>, work: F) -> Finish<'_, F::Output>
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                Finish::new(
                    self.owner(),
                    $duty,
                    Label::here(name),
                    |runtime, completion| {
                        runtime.spawn(Box::pin(to_its_end(work, completion)));
                    },
                )
            }

            /// [`finish`](Self::finish) for work that blocks, which nothing can stop: it runs
            /// where [`Runtime::spawn_blocking`](crate::runtime::Runtime::spawn_blocking) runs
            /// it.
            ///
            /// # Errors
            ///
            /// As [`finish`](Self::finish).
            ///
            /// # Cancel safety
            ///
            /// As that of [`finish`](Self::finish).
            #[track_caller]
            pub fn finish_blocking<F, T>(&mut self, name: impl Into<Name>, work: F) -> Finish<'_, T>
            where
                F: FnOnce() -> T + Send + 'static,
                T: Send + 'static,
            {
                Finish::new(
                    self.owner(),
                    $duty,
                    Label::here(name),
                    |runtime, completion| {
                        runtime.spawn_blocking(Box::new(move || completion.run(work)));
                    },
                )
            }
        }
    };
}

finish!(Registering, Duty::OfSetUp);
finish!(Live, Duty::OfStep);

impl<'a, T> Finish<'a, T> {
    fn new(
        owner: &'a Owner,
        duty: Duty,
        label: Label,
        begin: impl FnOnce(&Arc<dyn Runtime>, Completion<T>) + Send + 'static,
    ) -> Self {
        Self {
            owner,
            duty,
            label,
            undos: Undos::default(),
            begin: Some(Box::new(begin)),
            shared: Arc::new(Mutex::new(Shared {
                outcome: Outcome::Running,
                waiter: None,
            })),
            waker: WakerSlot::default(),
        }
    }

    undo_methods!("If the future was polled.");

    fn add(&mut self, push: impl FnOnce(&mut Undos, &Owner)) {
        assert!(self.begin.is_some(), "the work has begun");
        push(&mut self.undos, self.owner);
    }

    /// Begins the work, unless the connection has closed.
    fn begin(
        &mut self,
        begin: impl FnOnce(&Arc<dyn Runtime>, Completion<T>),
    ) -> Result<(), Closed> {
        let Label { name, place } = self.label.clone();
        let undos = std::mem::take(&mut self.undos);
        let Some(id) = self.owner.begin_task(Some(name.clone()), place) else {
            return Err(self.owner.closed().expect("a close refuses a task"));
        };
        // The unwinding waits for the task, so the stack has not been unwound (I5).
        self.owner.push_undos(undos);
        let completion = Completion {
            end: Some(EndTask {
                handle: self.owner.handle(),
                id,
            }),
            name,
            shared: Arc::clone(&self.shared),
        };
        match self.owner.runtime() {
            Some(runtime) => begin(&runtime, completion),
            None => drop(completion),
        }
        Ok(())
    }
}

impl<T> Future for Finish<'_, T> {
    type Output = Result<T, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(begin) = this.begin.take() {
            this.begin(begin)?;
        }
        let closed = this
            .waker
            .poll_closed_in_step(this.owner, cx, this.label.place);
        let waiter = cx.waker().clone();
        let mut shared = lock(&this.shared);
        let (outcome, unneeded) = match shared.outcome {
            Outcome::Running if closed.is_pending() => (None, shared.waiter.replace(waiter)),
            _ => {
                let outcome = std::mem::replace(&mut shared.outcome, Outcome::Gone);
                (Some(outcome), Some(waiter))
            }
        };
        drop(shared);
        drop(unneeded);
        let Some(outcome) = outcome else {
            return Poll::Pending;
        };
        let outcome = match (outcome, closed) {
            (Outcome::Complete(output, end), Poll::Pending) => match this.duty.begin(this.owner) {
                // The task ends as the duty passes to the owner: a close in between finds
                // the one or the other.
                Ok(()) => {
                    drop(end);
                    this.duty.complete(this.owner, output)
                }
                Err(closed) => {
                    drop(output);
                    drop(end);
                    Err(closed)
                }
            },
            (outcome, _) => {
                // Newest first: the output, and then the undos.
                drop(outcome);
                let closed = this.owner.closed();
                Err(closed.expect("closed, or failed, which closes"))
            }
        };
        Poll::Ready(outcome)
    }
}

impl<T> Drop for Finish<'_, T> {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        let outcome = std::mem::replace(&mut shared.outcome, Outcome::Gone);
        let waiter = shared.waiter.take();
        drop(shared);
        drop((outcome, waiter));
    }
}

/// Polls `work` to its end. It is dropped before the completion, whatever happens.
async fn to_its_end<F: Future>(work: F, completion: Completion<F::Output>) {
    let completion = completion;
    let mut work = Some(Box::pin(work));
    let output = poll_fn(|cx| {
        let polled = catch_panic(|| {
            let work = work.as_mut().expect("polled after completion");
            work.as_mut().poll(cx)
        });
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(message) => Poll::Ready(Err(message)),
        }
    });
    let output = output.await;
    let dropped = catch_panic(|| drop(work.take()));
    completion.end(output.and_then(|output| dropped.map(|()| output)));
}

impl<T> Completion<T> {
    fn run(self, work: impl FnOnce() -> T) {
        let output = catch_panic(work);
        self.end(output);
    }

    fn end(mut self, output: Result<T, String>) {
        let end = self.end.take().expect("it ends once");
        match output {
            Ok(output) => finish(&self.shared, Outcome::Complete(output, end)),
            Err(message) => {
                end.handle.lifecycle().panicked(message);
                self.fail(end);
            }
        }
    }

    fn fail(&self, end: EndTask) {
        // `Err` if the connection had closed. The undo waits for the task (I2).
        let _: Result<(), Closed> = end.handle.close(CloseReason::Failed);
        finish(&self.shared, Outcome::Failed);
        drop(end);
    }
}

impl<T> Drop for Completion<T> {
    fn drop(&mut self) {
        // The runtime has dropped the work before its end, or did not run it.
        if let Some(end) = self.end.take() {
            let name = std::mem::take(&mut self.name);
            end.handle.lifecycle().record_abandoned(name);
            self.fail(end);
        }
    }
}

impl Drop for EndTask {
    fn drop(&mut self) {
        self.handle.lifecycle().end_task(self.id);
    }
}

fn finish<T>(shared: &Mutex<Shared<T>>, outcome: Outcome<T>) {
    let mut shared = lock(shared);
    let unneeded = match shared.outcome {
        Outcome::Gone => Some(outcome),
        _ => Some(std::mem::replace(&mut shared.outcome, outcome)),
    };
    let waiter = shared.waiter.take();
    drop(shared);
    // The output before the end of the task: see `Outcome::Complete`.
    drop(unneeded);
    if let Some(waiter) = waiter {
        wake(waiter);
    }
}

impl<T> fmt::Debug for Finish<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finish")
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}
