//! Waiting for whom one succeeds.

use std::fmt;
use std::future::{self, Future};
use std::hash::Hash;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::error::JoinError;
use crate::handle::WaitForSettled;
use crate::lifecycle::Lifecycle;
use crate::owner::{Owner, Parking, Polling};
use crate::registry::{Place, Registry};
use crate::state::{CloseReason, Closed};

pin_project! {
    /// Future of [`Registering::take_over`](crate::Registering::take_over).
    #[must_use = "futures do nothing unless polled"]
    pub struct TakeOver<'a, K, V, D = future::Pending<()>> {
        owner: &'a Owner,
        registry: &'a Registry<K, V>,
        progress: Progress<'a, K, V>,
        parking: Parking,
        #[pin]
        deadline: Option<D>,
    }
}

enum Progress<'a, K, V> {
    NotStarted { key: K, value: V },
    Waiting(Waiting<'a>),
    Ended,
}

/// Has taken the place, and waits. Dropped, it gives the place back, unless it is
/// empty-handed.
struct Waiting<'a> {
    lifecycle: &'a Lifecycle,
    place: Option<Place>,
    predecessors: Vec<WaitForSettled>,
}

impl<'a, K, V> TakeOver<'a, K, V> {
    pub(crate) fn new(owner: &'a Owner, registry: &'a Registry<K, V>, key: K, value: V) -> Self {
        Self {
            owner,
            registry,
            progress: Progress::NotStarted { key, value },
            parking: Parking::default(),
            deadline: None,
        }
    }

    /// Gives up when `deadline` completes, whatever its output is: a timer of the
    /// runtime, say.
    ///
    /// Then the take-over returns [`JoinError::Unsettled`], and this connection has no
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
    /// use hangup::{Conflict, JoinError, Registry, Scope};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (scope, workers) = (Scope::new(), Registry::new(Conflict::Replace));
    /// # let mut old = scope.open()?.register()?;
    /// # old.join(&workers, "ada", ())?;
    /// # tokio::spawn(async move { old.finish(std::future::pending::<()>()).await });
    /// # tokio::task::yield_now().await;
    /// let mut setup = scope.open()?.register()?;
    /// let taking = setup
    ///     .take_over(&workers, "ada", ())
    ///     .deadline(tokio::time::sleep(Duration::from_secs(5)));
    /// match taking.await {
    ///     Err(JoinError::Unsettled) => println!("503, come back later"),
    ///     taken => taken?,
    /// }
    /// # assert!(setup.go_live().is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn deadline<D>(self, deadline: D) -> TakeOver<'a, K, V, D>
    where
        D: Future,
    {
        TakeOver {
            owner: self.owner,
            registry: self.registry,
            progress: self.progress,
            parking: self.parking,
            deadline: Some(deadline),
        }
    }
}

impl<K, V, D> Future for TakeOver<'_, K, V, D>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    D: Future,
{
    type Output = Result<(), JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let owner = *this.owner;
        // Whatever returns without putting it back has ended, and drops it.
        let mut waiting = match std::mem::replace(this.progress, Progress::Ended) {
            Progress::NotStarted { key, value } => {
                let (place, held) = this.registry.seize(owner.handle(), key, value)?;
                for predecessor in &held {
                    // Whatever reason it had before ours, it is closed.
                    let _: Result<(), Closed> = predecessor.close(CloseReason::Superseded);
                }
                Waiting {
                    lifecycle: owner,
                    place: Some(place),
                    predecessors: held.iter().map(|held| held.settled()).collect(),
                }
            }
            Progress::Waiting(waiting) => waiting,
            Progress::Ended => panic!("`TakeOver` polled after completion"),
        };

        if let Poll::Ready(closed) = this.parking.poll_closed(owner, cx) {
            return Poll::Ready(Err(closed.into()));
        }
        if waiting.poll_settled(cx).is_ready() {
            waiting.place = None;
            return Poll::Ready(Ok(()));
        }
        if this.deadline.is_some() {
            let deadline = this.deadline.as_mut();
            let passed = Polling::poll(owner, deadline, |deadline| deadline.poll(cx));
            if passed.is_ready() {
                return Poll::Ready(Err(JoinError::Unsettled));
            }
        }
        *this.progress = Progress::Waiting(waiting);
        Poll::Pending
    }
}

impl Waiting<'_> {
    /// One after the other: it takes them all.
    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(next) = self.predecessors.last_mut() {
            if Pin::new(next).poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.predecessors.pop();
        }
        Poll::Ready(())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.lifecycle.withdraw(&place);
        }
    }
}

impl<K, V, D> fmt::Debug for TakeOver<'_, K, V, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakeOver")
            .field("owner", &self.owner)
            .field("deadline", &self.deadline.is_some())
            .finish_non_exhaustive()
    }
}
