//! One asynchronous step of an owner, and its undo.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::duty::Duty;
use super::owner::Owner;
use super::undo_methods::undo_methods;
use super::{Live, Registering};
use crate::lifecycle::{FailOnPanic, Lifecycle, Undos, WakerSlot};
use crate::state::Closed;

pin_project! {
    /// Future of [`Registering::run`] and [`Live::step`].
    ///
    /// When the connection closes, the task is woken, the next poll drops the inner future,
    /// and only then the undo runs.
    #[must_use = "futures do nothing unless polled"]
    pub struct Step<'a, F> {
        owner: &'a Owner,
        duty: Duty,
        // What the first poll registers.
        undos: Undos,
        // Dropped as soon as it has ended: `None` in `Ended`.
        #[pin]
        future: Option<F>,
        progress: Progress,
        waker: WakerSlot,
        place: &'static Location<'static>,
    }

    impl<F> PinnedDrop for Step<'_, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if *this.progress == Progress::InFlight {
                // First, and dropped last, also when the future's drop panics.
                let _ending = this.duty.ending(this.owner);
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

impl Registering {
    /// Runs a step of the set-up, racing with the close; with [`undo`](Step::undo), a step
    /// and what undoes it.
    ///
    /// When the connection closes, the step's task is woken, `step` is dropped,
    /// and only then does the undo run.
    ///
    /// The output is handed out if the connection was open when `step` completed;
    /// else it is dropped before the undo runs. What `step` acquires and its output does not
    /// release needs an [`undo`](Step::undo). To keep the output, or a part of it, use
    /// [`hold`](Step::hold).
    ///
    /// `step` is best given by value: of a reference to a future, only the reference
    /// is dropped.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the connection has closed. If it had before the first poll, `step` is
    /// never polled and its undo never registered. Drop this set-up then: that undoes it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `step`. The connection stays open, so that a
    /// step can be tried again or given a timeout. Its undo stays registered if it was
    /// polled, and each attempt brings its own.
    ///
    /// # Examples
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # async fn resume() {}
    /// # fn pause() {}
    /// let mut setup = hangup::Scope::new().open()?.register()?;
    /// block_on(setup.run(resume()).undo(pause))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn run<F: Future>(&mut self, step: F) -> Step<'_, F> {
        Step::new(self.owner(), Duty::OfSetUp, step)
    }
}

impl Live {
    /// Runs a step on a connection that is visible already, racing with the close: for a
    /// last step that others must be able to answer to, by looking this connection up.
    ///
    /// It is [`Registering::run`] in all else: when the connection closes, `step` is dropped
    /// before the undo runs.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the connection has closed. If it had before the first poll, `step` is
    /// never polled and its undo never registered.
    ///
    /// # Cancel safety
    ///
    /// As that of [`Registering::run`].
    ///
    /// # Examples
    ///
    /// A router that sends waiting jobs as soon as it resumes finds the worker:
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # async fn resume() {}
    /// # async fn pause() {}
    /// # let mut setup = hangup::Scope::new().open()?.register()?;
    /// # let workers = hangup::Registry::new(hangup::Conflict::Replace);
    /// setup.join(&workers, "ada", ())?;
    /// let mut live = setup.go_live()?;
    /// block_on(live.step(resume()).undo_async("pause", pause))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn step<F: Future>(&mut self, step: F) -> Step<'_, F> {
        Step::new(self.owner(), Duty::OfStep, step)
    }
}

impl<'a, F> Step<'a, F> {
    #[track_caller]
    fn new(owner: &'a Owner, duty: Duty, future: F) -> Self {
        Self {
            owner,
            duty,
            undos: Undos::default(),
            future: Some(future),
            progress: Progress::NotStarted,
            waker: WakerSlot::default(),
            place: Location::caller(),
        }
    }

    undo_methods!("If the step is complete.");

    /// Splits the output of the step: what `split` returns first is kept, like
    /// [`hold`](Registering::hold), and what it returns second is the new output.
    ///
    /// That happens inside the step, so no close comes between: a guard is kept, or dropped
    /// before the older undos run.
    ///
    /// # Panics
    ///
    /// If the step is complete.
    ///
    /// # Examples
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # async fn lock() -> (Vec<u8>, u32) { (Vec::new(), 7) }
    /// let mut setup = hangup::Scope::new().open()?.register()?;
    /// let epoch = block_on(setup.run(lock()).hold(|(guard, epoch)| (guard, epoch)))?;
    /// assert_eq!(epoch, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hold<S, K, R>(mut self, split: S) -> Step<'a, Holding<'a, F, S>>
    where
        F: Future,
        S: FnOnce(F::Output) -> (K, R),
        K: Send + 'static,
    {
        let future = self.future.take().expect("the step is complete");
        Step {
            owner: self.owner,
            duty: self.duty,
            undos: std::mem::take(&mut self.undos),
            future: Some(Holding {
                lifecycle: self.owner,
                future,
                split: Some(split),
            }),
            progress: std::mem::replace(&mut self.progress, Progress::Ended),
            waker: WakerSlot::default(),
            place: self.place,
        }
    }

    fn add(&mut self, push: impl FnOnce(&mut Undos, &Owner)) {
        match self.progress {
            Progress::NotStarted => push(&mut self.undos, self.owner),
            Progress::InFlight => {
                let mut undos = Undos::default();
                push(&mut undos, self.owner);
                self.owner.push_undos(undos);
            }
            Progress::Ended => panic!("the step is complete"),
        }
    }
}

impl<F: Future> Future for Step<'_, F> {
    type Output = Result<F::Output, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let lifecycle: &Lifecycle = this.owner;
        let duty = *this.duty;

        match *this.progress {
            Progress::NotStarted => {
                if let Err(closed) = duty.begin(lifecycle) {
                    *this.progress = Progress::Ended;
                    this.future.set(None);
                    drop(std::mem::take(this.undos));
                    return Poll::Ready(Err(closed));
                }
                *this.progress = Progress::InFlight;
                lifecycle.push_undos(std::mem::take(this.undos));
            }
            Progress::InFlight => {
                if let Some(closed) = lifecycle.closed() {
                    stop(this.future, this.progress, lifecycle, duty);
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
                Poll::Ready(duty.complete(lifecycle, output))
            }
            Poll::Pending => {
                let closed = this.waker.poll_closed_in_step(lifecycle, cx, this.place);
                let closed = ready!(closed);
                stop(this.future, this.progress, lifecycle, duty);
                Poll::Ready(Err(closed))
            }
        }
    }
}

/// Drops the inner future, and only then lets the undo run.
///
/// Should the future's drop panic, the step is still in flight and ends when it
/// is dropped itself.
fn stop<F>(
    mut future: Pin<&mut Option<F>>,
    progress: &mut Progress,
    lifecycle: &Lifecycle,
    duty: Duty,
) {
    future.set(None);
    *progress = Progress::Ended;
    drop(duty.ending(lifecycle));
}

pin_project! {
    /// The inner future of [`Step::hold`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Holding<'a, F, S> {
        lifecycle: &'a Owner,
        #[pin]
        future: F,
        split: Option<S>,
    }
}

impl<F, S, K, R> Future for Holding<'_, F, S>
where
    F: Future,
    S: FnOnce(F::Output) -> (K, R),
    K: Send + 'static,
{
    type Output = R;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = self.project();
        let output = ready!(this.future.poll(cx));
        let split = this.split.take().expect("polled after completion");
        let (kept, returned) = split(output);
        // The step is in flight: the connection cannot settle before it ends (I5).
        this.lifecycle.push_undo(move || drop(kept));
        Poll::Ready(returned)
    }
}

impl<F, S> fmt::Debug for Holding<'_, F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holding").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for Step<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("progress", &self.progress)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
