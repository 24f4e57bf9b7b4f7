//! The second typed state: the only one that acquires.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::Live;
use super::owner::{Owner, owner_methods};
use crate::error::KeyError;
use crate::lifecycle::{Handle, Lifecycle};
use crate::registry::{DynPredecessors, Registry};
use crate::state::{CloseReason, Closed};

/// A connection that is being set up: the only state that can acquire.
///
/// Whatever is acquired here is undone exactly once, newest first, whichever
/// way the connection ends: closed by a [`Handle`], at any await of
/// the set-up or later; dropped, with the handler's future or by the transport;
/// panicked.
///
/// There are two safe orders, one for each kind of acquiring:
///
/// - **Asynchronous**: the undo first, with [`on_close`](Self::on_close), then
///   the step, with [`run`](Self::run). A close in mid step stops the step before
///   the undo runs, so an undo never overlaps the step that it undoes.
/// - **Synchronous**: acquire first, then [`hold`](Self::hold) it, or
///   [`on_close`](Self::on_close). If the connection has closed in between, the
///   undo runs at once. That is after it has settled, when a successor under the
///   same key may be there already; if the two could meet, make it a step:
///   `setup.run(async { acquire() })`, with the undo first.
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
/// setup.on_close({
///     let router = Arc::clone(&router);
///     move || router.pause()
/// });
/// setup.run(router.resume()).await?;
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
    ///   `Replace` a later newcomer may have gone live in the meantime.
    /// - [`KeyError::Taken`] and [`KeyError::Full`] by the policy; decided
    ///   in the same step that inserts, closed connections not counted.
    /// - [`KeyError::AlreadyJoined`] if this connection holds the key already.
    ///
    /// On an error nothing has changed, and `key` and `value` are dropped: at once, or
    /// after `Closed` at the latest when the connection has settled.
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
        let predecessors = registry.claim(self.owner.shared(), key, value)?;
        if let Some(predecessors) = predecessors {
            self.claims().predecessors.push(predecessors);
        }
        Ok(())
    }

    pub(super) fn share(&self) -> Arc<Lifecycle> {
        self.owner.share()
    }

    /// Claims the key for a take-over, and returns the connections that hold it.
    pub(super) fn claim_all<K, V, S>(
        &mut self,
        registry: &Registry<K, V, S>,
        key: K,
        value: V,
    ) -> Result<Vec<Handle>, KeyError>
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Send + Sync + 'static,
        S: BuildHasher + Send + Sync + 'static,
    {
        self.release_claim();
        let held = registry.claim_all(self.owner.shared(), key, value)?;
        self.claims().waiting = true;
        Ok(held)
    }

    /// The take-over has succeeded: the slot stays.
    pub(super) fn confirm_claim(&mut self) {
        self.claims().waiting = false;
    }

    /// Releases the slot of a take-over that has not succeeded, if there is one.
    pub(super) fn release_claim(&mut self) {
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
    /// Undos run exactly once each, newest first, on the thread that closes, with
    /// no lock held: `undo` may use this crate in any way, but should not block.
    /// If it panics, the others still run, and
    /// [`Handle::settled`](Handle::settled) reports it.
    ///
    /// If the connection has closed already, `undo` runs without delay: on this
    /// thread, or where the other undos are running. So whatever was acquired
    /// before this call is undone in any case.
    pub fn on_close<F>(&mut self, undo: F)
    where
        F: FnOnce() + Send + 'static,
    {
        self.owner.push_undo(undo);
    }

    /// Keeps `value` until the connection closes and drops it then, in its turn
    /// among the undos: a permit, a guard, a gauge.
    ///
    /// If the connection has closed already, `value` is dropped without delay.
    pub fn hold<T>(&mut self, value: T)
    where
        T: Send + 'static,
    {
        self.on_close(move || drop(value));
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
    pub fn go_live(mut self) -> Result<Live, Closed> {
        self.release_claim();
        self.owner.go_live()?;
        let live = Live::new(self.owner);
        if let Some(claims) = self.claims {
            claims.close_predecessors();
        }
        Ok(live)
    }
}

impl Claims {
    fn close_predecessors(self) {
        // All of them are read before the first one is closed: one of them may be looked up
        // under another key.
        let handles: Vec<_> = self
            .predecessors
            .iter()
            .flat_map(|it| it.handles())
            .collect();
        for handle in handles {
            // `Err` means that it closed before, for another reason.
            let _: Result<(), Closed> = handle.close(CloseReason::Superseded);
        }
    }
}

impl fmt::Debug for Registering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registering")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}
