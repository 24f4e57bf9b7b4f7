//! Taking a key over: closing its holders, and waiting until they have settled.

use std::fmt;
use std::future::{self, Future};
use std::hash::{BuildHasher, Hash};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::Registering;
use crate::error::KeyError;
use crate::lifecycle::{FailOnPanic, Place, WaitForSettled, WakerSlot};
use crate::registry::{Departed, Registry};

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
    NotStarted {
        key: K,
        value: V,
    },
    Waiting {
        place: Place,
        predecessor: Option<WaitForSettled>,
    },
    Ended,
}

/// The predecessors of a connection that has [taken a key over](Registering::take_over).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Taken {
    /// How many connections held the key and had not settled when the take-over began.
    pub predecessors: usize,
    /// How many of them have an undo that was abandoned or panicked: what it was to undo may
    /// still be there. What they are is in [`Settled`](crate::report::Settled).
    pub unclean: usize,
}

impl Taken {
    /// Whether everything that the predecessors did is undone.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.unclean == 0
    }
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
    /// that they registered to be undone is undone, or was given up, which
    /// [`Taken::is_clean`] tells: nothing of that can touch what
    /// this set-up does next. There are never two owners at once. Of two newcomers
    /// the later one wins, and the earlier one ends `Superseded`. Only what a predecessor
    /// brought as key and value may be about to be dropped still: if that matters,
    /// [`hold`](Self::hold) it, which is an undo. And its place in the scope may be about to
    /// be given back, in the moment after its last undo; if
    /// [`close_all`](crate::Scope::close_all) has ended it, after the keys of those that ended
    /// with it.
    ///
    /// The newcomer has a place in its scope beside its predecessor's. So while the scope is full,
    /// a reconnect is refused, and the predecessor stays: have more places than keys.
    ///
    /// It closes what it finds, so a request that only asks must be refused before: axum, for one,
    /// answers `HEAD` by the handler of `GET`, and a probe would end a healthy connection.
    ///
    /// It applies whatever the registry's policy is. It waits without a limit, unless it
    /// is given a [deadline](TakeOver::deadline).
    ///
    /// # Errors
    ///
    /// - [`KeyError::Closed`] if the connection closes, also while it waits.
    /// - [`KeyError::AlreadyJoined`] if this connection holds the key already.
    /// - [`KeyError::TimedOut`] if the deadline passes.
    /// - [`KeyError::Held`] and [`KeyError::NoRuntime`] if the registry has a
    ///   [`min_hold`](crate::RegistryBuilder::min_hold).
    ///
    /// On an error this connection has no place under the key, other than one that it had
    /// `AlreadyJoined`. The predecessors are closed after `TimedOut`, and after `Closed` if
    /// this connection closed while it waited.
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
    /// - go on at one's own risk with [`join`](crate::Registering::join) under
    ///   [`Conflict::Replace`](crate::Conflict::Replace), for which a closed predecessor is
    ///   none: its undo may then hit what this set-up acquires.
    ///
    /// If `deadline` completes in the same poll in which the last predecessor turns out
    /// to have settled, the take-over has succeeded. If it panics, the connection closes
    /// as [`Failed`](crate::CloseReason::Failed).
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
    ///     taken => assert!(taken?.is_clean()),
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
    type Output = Result<Taken, KeyError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let setup = &mut *this.newcomer.0;
        // Whatever returns without putting it back has ended.
        let (place, mut predecessor) = match std::mem::replace(this.progress, Progress::Ended) {
            Progress::NotStarted { key, value } => {
                (setup.claim_alone(this.registry, key, value)?, None)
            }
            Progress::Waiting { place, predecessor } => (place, predecessor),
            Progress::Ended => panic!("`TakeOver` polled after completion"),
        };

        let lifecycle = setup.lifecycle();
        if let Poll::Ready(closed) = this.waker.poll_closed(lifecycle, cx) {
            setup.release_claim();
            return Poll::Ready(Err(closed.into()));
        }
        if let Poll::Ready(departed) = poll_turn(this.registry, place, &mut predecessor, cx) {
            setup.confirm_claim();
            return Poll::Ready(match setup.lifecycle().closed() {
                Some(closed) => Err(closed.into()),
                None => Ok(Taken {
                    predecessors: departed.all,
                    unclean: departed.unclean,
                }),
            });
        }
        if this.deadline.is_some() {
            let deadline = this.deadline.as_mut();
            let passed = FailOnPanic::poll(lifecycle, deadline, |deadline| deadline.poll(cx));
            if passed.is_ready() {
                setup.release_claim();
                return Poll::Ready(setup.note_refusal(Err(KeyError::TimedOut)));
            }
        }
        *this.progress = Progress::Waiting { place, predecessor };
        Poll::Pending
    }
}

/// Waits for the newest predecessor first: when it has settled, most of the older ones have
/// as well.
fn poll_turn<K, V, S>(
    registry: &Registry<K, V, S>,
    place: Place,
    predecessor: &mut Option<WaitForSettled>,
    cx: &mut Context<'_>,
) -> Poll<Departed>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher + Send + Sync + 'static,
{
    loop {
        if let Some(predecessor) = predecessor {
            ready!(Pin::new(predecessor).poll(cx));
        }
        match registry.predecessor(place) {
            Ok(departed) => return Poll::Ready(departed),
            Err(next) => *predecessor = Some(next.settled()),
        }
    }
}

impl<K, V, S, D> fmt::Debug for TakeOver<'_, K, V, S, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakeOver")
            .field("newcomer", &self.newcomer.0)
            .field("deadline", &self.deadline.is_some())
            .finish_non_exhaustive()
    }
}
