//! An owner that is in a step or a take-over, with the future that borrows it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use hangup::{Registering, Registry};
use tokio_test::task::{self, Spawn};

use crate::op::{Deadline, Key, Step};
use crate::real::Value;
use crate::seen::Outcome;

/// The future owns the set-up, and hands it back when it is complete.
pub(crate) struct Waiting {
    future: Spawn<Boxed>,
    word: Rc<Cell<Word>>,
}

type Boxed = Pin<Box<dyn Future<Output = (Registering, Outcome)>>>;

/// What the test tells the future as it polls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    GoOn,
    Complete,
    PassDeadline,
    Cancel,
}

impl Waiting {
    pub(crate) fn step(mut setup: Registering, step: Step) -> Self {
        Self::new(|word| async move {
            let until_complete = {
                let word = Rc::clone(&word);
                poll_fn(move |_| ready_if(word.get() == Word::Complete))
            };
            let step = match step {
                Step::Run => setup.run(until_complete),
                Step::Finish => setup.finish(until_complete),
            };
            let outcome = match unless_cancelled(step, &word).await {
                None => Outcome::Cancelled,
                Some(Ok(())) => Outcome::Done,
                Some(Err(closed)) => Outcome::Closed(closed),
            };
            (setup, outcome)
        })
    }

    pub(crate) fn take_over(
        mut setup: Registering,
        registry: Registry<Key, Value>,
        key: Key,
        value: Value,
        deadline: Deadline,
    ) -> Self {
        Self::new(|word| async move {
            let passed = {
                let word = Rc::clone(&word);
                poll_fn(move |_| {
                    let now = deadline == Deadline::Passed;
                    ready_if(now || word.get() == Word::PassDeadline)
                })
            };
            let taking = setup.take_over(&registry, key, value);
            let outcome = match deadline {
                Deadline::None => unless_cancelled(taking, &word).await,
                Deadline::Passed | Deadline::Later => {
                    unless_cancelled(taking.deadline(passed), &word).await
                }
            };
            let outcome = match outcome {
                None => Outcome::Cancelled,
                Some(Ok(())) => Outcome::Done,
                Some(Err(error)) => Outcome::NotJoined(error),
            };
            (setup, outcome)
        })
    }

    fn new<F>(future: impl FnOnce(Rc<Cell<Word>>) -> F) -> Self
    where
        F: Future<Output = (Registering, Outcome)> + 'static,
    {
        let word = Rc::new(Cell::new(Word::GoOn));
        let future: Boxed = Box::pin(future(Rc::clone(&word)));
        Self {
            future: task::spawn(future),
            word,
        }
    }

    /// Itself, if it goes on waiting.
    pub(crate) fn poll(mut self, word: Word) -> Result<(Registering, Outcome), Self> {
        self.word.set(word);
        let polled = self.future.poll();
        self.word.set(Word::GoOn);
        match polled {
            Poll::Ready(complete) => Ok(complete),
            Poll::Pending => Err(self),
        }
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.future.is_woken()
    }
}

/// Drops the future without another poll when it is cancelled.
async fn unless_cancelled<F: Future>(future: F, word: &Cell<Word>) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match word.get() {
        Word::Cancel => Poll::Ready(None),
        Word::GoOn | Word::Complete | Word::PassDeadline => future.as_mut().poll(cx).map(Some),
    })
    .await
}

fn ready_if(condition: bool) -> Poll<()> {
    if condition {
        Poll::Ready(())
    } else {
        Poll::Pending
    }
}
