//! One question for all who ask at a time.

use std::sync::atomic::{AtomicU64, Ordering};

use hangup_cluster::engine::EngineError;
use tokio::sync::Mutex;

/// Puts a question once for all who ask while another one is under way.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    /// How many have asked.
    asked: AtomicU64,
    /// How many of them had asked before the last question was put, and its answer.
    last: Mutex<(u64, Result<T, EngineError>)>,
}

impl<T: Clone> Shared<T> {
    pub(crate) fn new() -> Self {
        Self {
            asked: AtomicU64::new(0),
            // For those who asked before the first: there are none.
            last: Mutex::new((0, Err(EngineError::unknown("nothing was asked")))),
        }
    }

    /// The answer to a question that was put after this was called.
    ///
    /// When it is dropped, the next one who waits puts the question.
    pub(crate) async fn ask<F>(&self, put: impl FnOnce() -> F) -> Result<T, EngineError>
    where
        F: Future<Output = Result<T, EngineError>>,
    {
        // ORDERING: `Relaxed`, since the lock orders the numbers against the questions: the one
        // that is put under a lock which is held after this has counted was put after that.
        let own = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let mut last = self.last.lock().await;
        if last.0 < own {
            let asked = self.asked.load(Ordering::Relaxed);
            let answer = put().await;
            *last = (asked, answer);
        }
        last.1.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use futures_util::future::{join_all, pending};
    use futures_util::{FutureExt, pin_mut};
    use tokio::sync::Semaphore;

    use super::Shared;

    #[tokio::test]
    async fn those_who_wait_share_the_next_question() {
        let (shared, put, gate) = (Shared::new(), Cell::new(0), Semaphore::new(0));
        let ask = || {
            shared.ask(|| async {
                put.set(put.get() + 1);
                let question = put.get();
                gate.acquire().await.expect("it is open").forget();
                Ok(question)
            })
        };
        let first = ask();
        pin_mut!(first);
        assert!(first.as_mut().now_or_never().is_none());
        // The question of the first was put before these ask.
        let others = join_all((0..10).map(|_| ask()));
        pin_mut!(others);
        assert!(others.as_mut().now_or_never().is_none());
        gate.add_permits(1);
        assert_eq!(first.await.expect("an answer"), 1);
        assert!(others.as_mut().now_or_never().is_none());
        gate.add_permits(1);
        for answer in others.await {
            assert_eq!(answer.expect("an answer"), 2);
        }
        assert_eq!(put.get(), 2);
    }

    #[tokio::test]
    async fn a_question_that_is_dropped_is_put_again() {
        let shared = Rc::new(Shared::new());
        let dropped = shared.ask(pending);
        assert!(dropped.now_or_never().is_none());
        assert_eq!(shared.ask(|| async { Ok(7) }).await.expect("an answer"), 7);
    }
}
