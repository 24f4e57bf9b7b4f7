//! An owner in a step or a take-over, with the future that borrows it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use hangup::{KeyError, Registering, Registry};
use tokio_test::task::{self, Spawn};

use crate::action::Deadline;
use crate::layout::Value;

/// The future owns the set-up and returns it at the end.
pub(crate) struct Waiting {
    future: Spawn<Boxed>,
    signal: Rc<Cell<Signal>>,
}

type Boxed = Pin<Box<dyn Future<Output = (Registering, Ended)>>>;

/// How the future ended.
pub(crate) enum Ended {
    Cancelled,
    Step(Result<(), hangup::Closed>),
    TakeOver(Result<hangup::report::Taken, KeyError>),
}

/// What happens while the future is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Nothing,
    Complete,
    PassDeadline,
    Cancel,
}

impl Waiting {
    pub(crate) fn step(
        mut setup: Registering,
        undo: Option<(Arc<Mutex<Vec<usize>>>, usize)>,
    ) -> Self {
        Self::new(|signal| async move {
            let complete = until(&signal, Signal::Complete);
            let mut step = setup.run(complete);
            if let Some((undone, number)) = undo {
                step = step.undo(move || undone.lock().unwrap().push(number));
            }
            let ended = unless_cancelled(step, &signal).await;
            (setup, ended.map_or(Ended::Cancelled, Ended::Step))
        })
    }

    pub(crate) fn take_over(
        mut setup: Registering,
        registry: Registry<usize, Value>,
        key: usize,
        value: Value,
        deadline: Deadline,
    ) -> Self {
        Self::new(|signal| async move {
            let taking_over = setup.take_over(&registry, key, value);
            let ended = match deadline {
                Deadline::None => unless_cancelled(taking_over, &signal).await,
                Deadline::Passed => {
                    let passed = std::future::ready(());
                    unless_cancelled(taking_over.deadline(passed), &signal).await
                }
                Deadline::Later => {
                    let passes = until(&signal, Signal::PassDeadline);
                    unless_cancelled(taking_over.deadline(passes), &signal).await
                }
            };
            (setup, ended.map_or(Ended::Cancelled, Ended::TakeOver))
        })
    }

    fn new<F>(future: impl FnOnce(Rc<Cell<Signal>>) -> F) -> Self
    where
        F: Future<Output = (Registering, Ended)> + 'static,
    {
        let signal = Rc::new(Cell::new(Signal::Nothing));
        let future: Boxed = Box::pin(future(Rc::clone(&signal)));
        Self {
            future: task::spawn(future),
            signal,
        }
    }

    /// Returns itself if it is still pending.
    pub(crate) fn poll(mut self, signal: Signal) -> Result<(Registering, Ended), Self> {
        self.signal.set(signal);
        let polled = self.future.poll();
        self.signal.set(Signal::Nothing);
        match polled {
            Poll::Ready(complete) => Ok(complete),
            Poll::Pending => Err(self),
        }
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.future.is_woken()
    }
}

fn until(signal: &Rc<Cell<Signal>>, wanted: Signal) -> impl Future<Output = ()> + use<> {
    let signal = Rc::clone(signal);
    poll_fn(move |_| match signal.get() == wanted {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
}

/// A cancelled future is dropped without another poll.
async fn unless_cancelled<F: Future>(future: F, signal: &Cell<Signal>) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match signal.get() {
        Signal::Cancel => Poll::Ready(None),
        Signal::Nothing | Signal::Complete | Signal::PassDeadline => {
            future.as_mut().poll(cx).map(Some)
        }
    })
    .await
}
