//! Taking a key over: closing its holders, and waiting until they have settled.

use std::fmt;
use std::future::{self, Future};
use std::hash::{BuildHasher, Hash};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::Registering;
use crate::error::KeyError;
use crate::lifecycle::{FailOnPanic, Handle, WaitForSettled, WakerSlot};
use crate::registry::Registry;
use crate::state::{CloseReason, Closed};

pin_project! {
    /// Future of [`Registering::take_over`](crate::Registering::take_over).
    #[must_use = "futures do nothing unless polled"]
    pub struct TakeOver<'a, K, V, S, D = future::Pending<()>> {
        newcomer: Newcomer<'a>,
        registry: &'a Registry<K, V, S>,
        progress: Progress<K, V>,
        waker: WakerSlot,
        #[pin]
        deadline: Option<D>,
    }
}

enum Progress<K, V> {
    NotStarted { key: K, value: V },
    Waiting { predecessors: Vec<WaitForSettled> },
    Ended,
}

/// Gives the place back when it is dropped, unless it was won.
struct Newcomer<'a>(&'a mut Registering);

impl Drop for Newcomer<'_> {
    fn drop(&mut self) {
        self.0.release_claim();
    }
}

impl Registering {
    /// Takes the place in `registry` under `key` for this connection alone: closes
    /// all others that hold the key, live or still being set up, as
    /// [`Superseded`](crate::CloseReason::Superseded), and waits until all of them have
    /// settled.
    ///
    /// When this returns `Ok`, none of the predecessors is in a step any more, and all
    /// that they registered to be undone is undone: nothing of that can touch what
    /// this set-up does next. There are never two owners at once. Of two newcomers
    /// the later one wins, and the earlier one ends `Superseded`. Only what a predecessor
    /// brought as key and value may be about to be dropped still: if that matters,
    /// [`hold`](Self::hold) it, which is an undo.
    ///
    /// It applies whatever the registry's policy is. It waits without a limit, unless it
    /// is given a [deadline](TakeOver::deadline).
    ///
    /// # Errors
    ///
    /// - [`KeyError::Closed`] if the connection closes, also while it waits.
    /// - [`KeyError::AlreadyJoined`] if this connection holds the key already.
    /// - [`KeyError::TimedOut`] if the deadline passes.
    ///
    /// On an error this connection has no place under the key, other than one that it had
    /// `AlreadyJoined`. The predecessors are closed, unless it had, or this connection had
    /// closed before.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is complete, the place is given back. The
    /// predecessors are closed if it was polled. It can be tried again.
    pub fn take_over<'a, K, V, S>(
        &'a mut self,
        registry: &'a Registry<K, V, S>,
        key: K,
        value: V,
    ) -> TakeOver<'a, K, V, S>
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Send + Sync + 'static,
        S: BuildHasher + Send + Sync + 'static,
    {
        TakeOver::new(self, registry, key, value)
    }
}

impl<'a, K, V, S> TakeOver<'a, K, V, S> {
    fn new(setup: &'a mut Registering, registry: &'a Registry<K, V, S>, key: K, value: V) -> Self {
        Self {
            newcomer: Newcomer(setup),
            registry,
            progress: Progress::NotStarted { key, value },
            waker: WakerSlot::default(),
            deadline: None,
        }
    }

    /// Gives up when `deadline` completes, whatever its output is: a timer of the
    /// runtime, say.
    ///
    /// Then the take-over returns [`KeyError::TimedOut`], and this connection has no
    /// place under the key: an undo of a predecessor, or a step that is not polled any
    /// more, is still in the way. The predecessor is closed all the same, and stays
    /// invisible. What to do now is the caller's choice:
    ///
    /// - end this connection, and let the client come back;
    /// - try again: the next take-over waits for the same predecessor;
    /// - go on at one's own risk with [`join`](crate::Registering::join), for which a
    ///   closed predecessor is none: its undo may then hit what this set-up acquires.
    ///
    /// If `deadline` completes in the same poll in which the last predecessor turns out
    /// to have settled, the take-over has succeeded. If it panics, the connection closes
    /// as [`Failed`](CloseReason::Failed).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use hangup::{Conflict, KeyError, Registry, Scope};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (scope, workers) = (Scope::new(), Registry::new(Conflict::Replace));
    /// # let mut old = scope.open()?.register()?;
    /// # old.join(&workers, "ada", ())?;
    /// # tokio::spawn(async move { old.run(std::future::pending::<()>()).await });
    /// # tokio::task::yield_now().await;
    /// let mut setup = scope.open()?.register()?;
    /// let taking = setup
    ///     .take_over(&workers, "ada", ())
    ///     .deadline(tokio::time::sleep(Duration::from_secs(5)));
    /// match taking.await {
    ///     Err(KeyError::TimedOut) => println!("503, come back later"),
    ///     taken => taken?,
    /// }
    /// # assert!(setup.go_live().is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn deadline<D>(self, deadline: D) -> TakeOver<'a, K, V, S, D>
    where
        D: Future,
    {
        TakeOver {
            newcomer: self.newcomer,
            registry: self.registry,
            progress: self.progress,
            waker: self.waker,
            deadline: Some(deadline),
        }
    }
}

impl<K, V, S, D> Future for TakeOver<'_, K, V, S, D>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher + Send + Sync + 'static,
    D: Future,
{
    type Output = Result<(), KeyError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let setup = &mut *this.newcomer.0;
        // Whatever returns without putting it back has ended.
        let mut predecessors = match std::mem::replace(this.progress, Progress::Ended) {
            Progress::NotStarted { key, value } => {
                let held = setup.claim_all(this.registry, key, value)?;
                for predecessor in &held {
                    // Whatever reason it had before ours, it is closed.
                    let _: Result<(), Closed> = predecessor.close(CloseReason::Superseded);
                }
                held.iter().map(Handle::settled).collect()
            }
            Progress::Waiting { predecessors } => predecessors,
            Progress::Ended => panic!("`TakeOver` polled after completion"),
        };

        let lifecycle = setup.lifecycle();
        if let Poll::Ready(closed) = this.waker.poll_closed(lifecycle, cx) {
            setup.release_claim();
            return Poll::Ready(Err(closed.into()));
        }
        if poll_all(&mut predecessors, cx).is_ready() {
            setup.confirm_claim();
            return Poll::Ready(Ok(()));
        }
        if this.deadline.is_some() {
            let deadline = this.deadline.as_mut();
            let passed = FailOnPanic::poll(lifecycle, deadline, |deadline| deadline.poll(cx));
            if passed.is_ready() {
                setup.release_claim();
                return Poll::Ready(Err(KeyError::TimedOut));
            }
        }
        *this.progress = Progress::Waiting { predecessors };
        Poll::Pending
    }
}

/// One after the other: it takes them all.
fn poll_all(predecessors: &mut Vec<WaitForSettled>, cx: &mut Context<'_>) -> Poll<()> {
    while let Some(next) = predecessors.last_mut() {
        ready!(Pin::new(next).poll(cx));
        predecessors.pop();
    }
    Poll::Ready(())
}

impl<K, V, S, D> fmt::Debug for TakeOver<'_, K, V, S, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakeOver")
            .field("newcomer", &self.newcomer.0)
            .field("deadline", &self.deadline.is_some())
            .finish_non_exhaustive()
    }
}
