//! The second typed state: the only one that acquires.

use std::fmt;
use std::hash::{BuildHasher, Hash};

use super::Live;
use super::owner::{Owner, owner_methods};
use crate::error::KeyError;
use crate::id::ConnectionId;
use crate::lifecycle::{Handle, Place};
use crate::registry::{DynPredecessors, Registry};
use crate::state::{CloseReason, Closed};

/// A connection that is being set up: the only state that can acquire.
///
/// Whatever is acquired here is undone exactly once, newest first, whichever
/// way the connection ends: closed by a [`Handle`], at any await of
/// the set-up or later; dropped, with the handler's future or by the transport;
/// panicked.
///
/// - **Asynchronous**: [`run`](Self::run) a step and name its undo in the same call. A close
///   in mid step stops the step before the undo runs, so no undo overlaps its step.
/// - **Synchronous**: acquire, then [`hold`](Self::hold) it, or undo it
///   [`on_close`](Self::on_close).
/// - **What must not be stopped half way**: [`finish`](Self::finish) it.
///
/// # Who undoes
///
/// As long as this value exists, the connection does not settle: a close from elsewhere
/// wakes the task that is in a step, and the undo runs when this value is dropped. So an undo
/// that is registered here runs before a successor [takes over](Self::take_over), at whatever
/// instant the connection closes, also between two statements.
///
/// The price of that:
///
/// - A set-up that is closed in a bare await, one that is not under [`run`](Self::run), is
///   undone when that await returns and the set-up is dropped.
/// - A set-up that is leaked never settles, and a drain reports it.
/// - A task that holds two set-ups cannot wait until one of them has settled.
///
/// Dropping it closes the connection as [`Dropped`](crate::CloseReason::Dropped).
///
/// # Examples
///
/// ```
/// # use futures::executor::block_on;
/// # use std::sync::{Arc, Mutex};
/// # #[derive(Default)]
/// # struct Router(Mutex<Vec<&'static str>>);
/// # impl Router {
/// #     async fn resume(&self) { self.0.lock().unwrap().push("running") }
/// #     fn pause(&self) { self.0.lock().unwrap().push("paused") }
/// # }
/// use hangup::Scope;
///
/// # block_on(async {
/// # let router = Arc::new(Router::default());
/// let mut setup = Scope::new().open()?.register()?;
/// let paused = Arc::clone(&router);
/// setup.run(router.resume()).undo(move || paused.pause()).await?;
/// let live = setup.go_live()?;
///
/// drop(live);
/// assert_eq!(*router.0.lock().unwrap(), ["running", "paused"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[must_use = "dropping it closes the connection"]
pub struct Registering {
    owner: Owner,
    /// What few set-ups have.
    claims: Option<Box<Claims>>,
}

/// Claims on keys that other connections hold.
#[derive(Default)]
struct Claims {
    /// The connections that this one replaces when it goes live.
    predecessors: Vec<Box<dyn DynPredecessors>>,
    /// The newest slot belongs to a take-over that waits. Recorded here, so that the slot of
    /// a forgotten take-over is released before another slot is claimed.
    waiting: bool,
}

owner_methods!(Registering);

impl Registering {
    #[inline]
    pub(crate) fn new(owner: Owner) -> Self {
        Self {
            owner,
            claims: None,
        }
    }

    /// Takes a place in `registry` under `key`, visible from
    /// [`go_live`](Self::go_live) to the close.
    ///
    /// What happens when others hold the key is the registry's
    /// [`Conflict`](crate::Conflict) policy. Under `Replace`, the predecessor
    /// stays live until this connection goes live, which switches over in one
    /// step and then closes it [`Superseded`](crate::CloseReason::Superseded); if this
    /// set-up fails, the predecessor never noticed. To have the predecessor gone
    /// before the set-up begins, use [`take_over`](Self::take_over).
    ///
    /// A connection can be in any number of registries.
    ///
    /// # Errors
    ///
    /// - [`KeyError::Closed`] if the connection has closed, whatever else is so: under
    ///   `Replace` a later newcomer may have gone live in the meantime. If it closes during
    ///   this call, [`on_first`](crate::RegistryBuilder::on_first) may have been called for it,
    ///   and `on_last` is called before it has settled.
    /// - [`KeyError::Taken`] and [`KeyError::Full`] by the policy; decided
    ///   in the same step that inserts. A connection counts until it has settled.
    /// - [`KeyError::Settling`] instead of these, if the key is about to be free.
    /// - [`KeyError::AlreadyJoined`] if this connection holds the key already.
    /// - [`KeyError::Held`] under `Replace`, and [`KeyError::NoRuntime`], if the registry has
    ///   a [`min_hold`](crate::RegistryBuilder::min_hold).
    ///
    /// On an error nothing has changed, and `key` and `value` are dropped: at once, or after
    /// `Closed` at the latest when the connection has settled. If this set-up is
    /// dropped without another attempt, the connection closes as
    /// [`Rejected`](CloseReason::Rejected), so that a refusal is not counted as a client that
    /// vanished.
    pub fn join<K, V, S>(
        &mut self,
        registry: &Registry<K, V, S>,
        key: K,
        value: V,
    ) -> Result<(), KeyError>
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Send + Sync + 'static,
        S: BuildHasher + Send + Sync + 'static,
    {
        self.release_claim();
        let claimed = registry.claim(self.owner.shared(), key, value);
        let predecessors = self.note_refusal(claimed)?;
        if let Some(predecessors) = predecessors {
            self.claims().predecessors.push(predecessors);
        }
        Ok(())
    }

    /// Claims the key for a take-over, and closes the connections that hold it.
    pub(super) fn claim_alone<K, V, S>(
        &mut self,
        registry: &Registry<K, V, S>,
        key: K,
        value: V,
    ) -> Result<Place, KeyError>
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Send + Sync + 'static,
        S: BuildHasher + Send + Sync + 'static,
    {
        self.release_claim();
        let claimed = registry.claim_alone(self.owner.shared(), key, value);
        let (place, held) = self.note_refusal(claimed)?;
        self.claims().waiting = true;
        let by = self.owner.id();
        held.iter()
            .for_each(|predecessor| supersede(predecessor, by));
        Ok(place)
    }

    /// If the owner goes after a refusal, the connection ends for that.
    pub(super) fn note_refusal<T>(&mut self, claimed: Result<T, KeyError>) -> Result<T, KeyError> {
        match &claimed {
            Ok(_) => self.owner.set_refused(false),
            Err(
                refusal @ (KeyError::Taken
                | KeyError::Full
                | KeyError::Settling
                | KeyError::Held { .. }
                | KeyError::TimedOut),
            ) => {
                self.owner.set_refused(true);
                self.owner.rejected(*refusal);
            }
            Err(KeyError::Closed(_) | KeyError::AlreadyJoined | KeyError::NoRuntime) => {}
        }
        claimed
    }

    /// The take-over has succeeded: the slot stays.
    pub(super) fn confirm_claim(&mut self) {
        self.claims().waiting = false;
    }

    /// Releases the slot of a take-over that has not succeeded, if there is one.
    #[inline]
    pub(super) fn release_claim(&mut self) {
        if self.claims.is_some() {
            self.release_waiting_claim();
        }
    }

    #[inline(never)]
    fn release_waiting_claim(&mut self) {
        let claims = self.claims.as_mut();
        if claims.is_some_and(|claims| std::mem::take(&mut claims.waiting)) {
            self.owner.release_claim();
        }
    }

    fn claims(&mut self) -> &mut Claims {
        self.claims.get_or_insert_default()
    }

    /// Registers an undo, to run when the connection closes.
    ///
    /// Undos run exactly once each, newest first, on the thread that closes or that drops
    /// this set-up, with no lock held: `undo` may use this crate in any way. If it panics,
    /// the others still run, and [`Handle::settled`](Handle::settled) reports it.
    ///
    /// `undo` must not block: it may run on a thread of the runtime, or in a
    /// [sweep](crate::Scope::sweep) that closes others after this one. For an undo that
    /// blocks, there is [`on_close_blocking`](Self::on_close_blocking).
    ///
    /// For what a step acquires, name the undo in the [step](super::Step::undo): a step that
    /// never begins needs none.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the connection has closed. `undo` runs in any case, in its turn and
    /// before the connection has settled, so what was acquired before this call is undone.
    pub fn on_close<F>(&mut self, undo: F) -> Result<(), Closed>
    where
        F: FnOnce() + Send + 'static,
    {
        self.owner.push_undo(undo);
        self.open()
    }

    /// Keeps `value` until the connection closes and drops it then, in its turn
    /// among the undos: a permit, a guard, a gauge. Its drop must not block, as with
    /// [`on_close`](Self::on_close).
    ///
    /// # Errors
    ///
    /// [`Closed`] if the connection has closed. `value` is kept in any case, until this
    /// set-up is dropped.
    pub fn hold<T>(&mut self, value: T) -> Result<(), Closed>
    where
        T: Send + 'static,
    {
        self.on_close(move || drop(value))
    }

    pub(super) fn open(&self) -> Result<(), Closed> {
        self.owner.closed().map_or(Ok(()), Err)
    }

    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Completes the set-up: from this instant on the connection is visible in
    /// all its registries at once.
    ///
    /// If it replaces others, they are closed before this returns, and their undo
    /// runs on this thread.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the connection has been closed.
    #[inline]
    pub fn go_live(mut self) -> Result<Live, Closed> {
        self.release_claim();
        self.owner.go_live()?;
        let live = Live::new(self.owner);
        if let Some(claims) = self.claims {
            claims.close_predecessors(live.id());
        }
        Ok(live)
    }
}

impl Claims {
    #[inline(never)]
    fn close_predecessors(&self, by: ConnectionId) {
        // All of them are read before the first one is closed: one of them may be looked up
        // under another key.
        let handles: Vec<_> = self
            .predecessors
            .iter()
            .flat_map(|it| it.handles())
            .collect();
        handles
            .iter()
            .for_each(|predecessor| supersede(predecessor, by));
    }
}

fn supersede(predecessor: &Handle, by: ConnectionId) {
    let lifecycle = predecessor.lifecycle();
    // `Err` means that it closed before, for another reason.
    let _: Result<(), Closed> = lifecycle.close_with(CloseReason::Superseded, None, Some(by));
}

impl fmt::Debug for Registering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registering")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}
