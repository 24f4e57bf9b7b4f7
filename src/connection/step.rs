//! One asynchronous step of a set-up, which no undo ever overlaps (I2).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::Registering;
use crate::lifecycle::{FailOnPanic, Lifecycle, WakerSlot};
use crate::state::Closed;

pin_project! {
    /// Future of [`Registering::run`](crate::Registering::run) and
    /// [`Registering::finish`](crate::Registering::finish).
    ///
    /// From its first poll until it is complete or dropped, a close leaves the
    /// undo to it. It drops the inner future first and runs the undo then.
    #[must_use = "futures do nothing unless polled"]
    pub struct Step<'a, F> {
        lifecycle: &'a Lifecycle,
        // Dropped as soon as it has ended: `None` in `Ended`.
        #[pin]
        future: Option<F>,
        progress: Progress,
        mode: Mode,
        waker: WakerSlot,
    }

    impl<F> PinnedDrop for Step<'_, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if *this.progress == Progress::InFlight {
                // First, and dropped last, also when the future's drop panics.
                let _ending = Ending(this.lifecycle);
                this.future.set(None);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    NotStarted,
    InFlight,
    Ended,
}

/// What a close during the step does to the inner future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Drops it.
    Cancel,
    /// Nothing: the step runs to its end.
    RunToEnd,
}

impl Registering {
    /// Runs a step of the set-up, racing with the close.
    ///
    /// When the connection closes, the step's task is woken, `step` is dropped,
    /// and only then does the undo run.
    ///
    /// The output is handed out if the connection was open when `step` completed;
    /// else it is dropped before the undo runs. If what `step` acquires is not
    /// released by dropping its output, register the undo before.
    ///
    /// `step` is best given by value: of a reference to a future, only the reference
    /// is dropped.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the connection has closed. If it had before the first poll,
    /// `step` is never polled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `step`. The connection stays open, so that a
    /// step can be tried again or given a timeout.
    pub fn run<F: Future>(&mut self, step: F) -> Step<'_, F> {
        Step::new(self.lifecycle(), step, Mode::Cancel)
    }

    /// Runs a step of the set-up to its end, then looks whether the connection
    /// has closed: for a step that must not be dropped half way.
    ///
    /// A close does not stop `step`; the undo waits until `step` is complete.
    /// Only if this future itself is dropped, with the handler's future, is `step`
    /// dropped half way. If not even that may be, run it on a task of its own and
    /// let the step be to wait for it.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the connection has closed. If it had before the first poll,
    /// `step` is never polled; else it is complete and its output dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `step`. The connection stays open.
    pub fn finish<F: Future>(&mut self, step: F) -> Step<'_, F> {
        Step::new(self.lifecycle(), step, Mode::RunToEnd)
    }
}

impl<'a, F> Step<'a, F> {
    fn new(lifecycle: &'a Lifecycle, future: F, mode: Mode) -> Self {
        Self {
            lifecycle,
            future: Some(future),
            progress: Progress::NotStarted,
            mode,
            waker: WakerSlot::default(),
        }
    }
}

impl<F: Future> Future for Step<'_, F> {
    type Output = Result<F::Output, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let lifecycle = *this.lifecycle;

        match *this.progress {
            Progress::NotStarted => {
                if let Err(closed) = lifecycle.begin_step() {
                    *this.progress = Progress::Ended;
                    this.future.set(None);
                    return Poll::Ready(Err(closed));
                }
                *this.progress = Progress::InFlight;
            }
            Progress::InFlight => {
                if let (Mode::Cancel, Some(closed)) = (*this.mode, lifecycle.closed()) {
                    stop(this.future, this.progress, lifecycle);
                    return Poll::Ready(Err(closed));
                }
            }
            Progress::Ended => panic!("`Step` polled after completion"),
        }

        let polled = FailOnPanic::run(lifecycle, this.future.as_mut(), |mut slot| {
            let future = slot.as_mut().as_pin_mut();
            let polled = future.expect("a step in flight has its future").poll(cx);
            if polled.is_ready() {
                slot.set(None);
            }
            polled
        });

        match polled {
            Poll::Ready(output) => {
                *this.progress = Progress::Ended;
                Poll::Ready(complete(lifecycle, output))
            }
            Poll::Pending if *this.mode == Mode::RunToEnd => Poll::Pending,
            Poll::Pending => {
                let closed = ready!(this.waker.poll_closed(lifecycle, cx));
                stop(this.future, this.progress, lifecycle);
                Poll::Ready(Err(closed))
            }
        }
    }
}

/// Drops the inner future, and only then lets the undo run.
///
/// Should the future's drop panic, the step is still in flight and ends when it
/// is dropped itself.
fn stop<F>(mut future: Pin<&mut Option<F>>, progress: &mut Progress, lifecycle: &Lifecycle) {
    future.set(None);
    *progress = Progress::Ended;
    drop(lifecycle.end_step());
}

/// Hands out the output, unless the connection closed during the step.
fn complete<T>(lifecycle: &Lifecycle, output: T) -> Result<T, Closed> {
    match lifecycle.end_step() {
        Ok(()) => Ok(output),
        Err((closed, unwind)) => {
            // Newest first: the output is newer than all that is on the stack.
            drop(output);
            drop(unwind);
            Err(closed)
        }
    }
}

/// Ends the step when it is dropped.
struct Ending<'a>(&'a Lifecycle);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        drop(self.0.end_step());
    }
}

impl<F> fmt::Debug for Step<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("progress", &self.progress)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}
