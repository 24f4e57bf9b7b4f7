//! The second typed state: the only one that acquires.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::hash::Hash;

use crate::error::JoinError;
use crate::handle::Handle;
use crate::live::Live;
use crate::owner::{Owner, owner_methods};
use crate::registry::{Registry, Supersede};
use crate::runtime::BoxFuture;
use crate::state::{CloseReason, Closed};
use crate::undoing::undoing;

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
///   [`on_close`](Self::on_close). If the connection has closed meanwhile, the
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
    contested: Option<Box<Contested>>,
}

/// What there is to do because others hold a key.
#[derive(Default)]
struct Contested {
    /// Whom this replaces when it goes live.
    replacing: Vec<Box<dyn Supersede>>,
    /// The newest place is that of a take-over that waits: noted here, so that one that is
    /// forgotten is found. It is given back before another one is taken.
    waiting: bool,
}

owner_methods!(Registering);

impl Registering {
    pub(crate) fn new(owner: Owner) -> Self {
        Self {
            owner,
            contested: None,
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
    /// - [`JoinError::Closed`] if the connection has closed, whatever else is so: under
    ///   `Replace` a later newcomer may have gone live meanwhile.
    /// - [`JoinError::KeyTaken`] and [`JoinError::KeyFull`] by the policy; decided
    ///   in the same step that inserts, closed connections not counted.
    /// - [`JoinError::AlreadyJoined`] if this connection holds the key already.
    ///
    /// On an error nothing has changed, and `key` and `value` are dropped: at once, or
    /// after `Closed` at the latest when the connection has settled.
    pub fn join<K, V>(
        &mut self,
        registry: &Registry<K, V>,
        key: K,
        value: V,
    ) -> Result<(), JoinError>
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        self.withdraw();
        let replaced = registry.reserve(self.owner.shared(), key, value)?;
        if let Some(replaced) = replaced {
            self.contested().replacing.push(replaced);
        }
        Ok(())
    }

    /// Takes a place that is not won yet, and returns who holds the key.
    pub(crate) fn seize<K, V>(
        &mut self,
        registry: &Registry<K, V>,
        key: K,
        value: V,
    ) -> Result<Vec<Handle>, JoinError>
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        self.withdraw();
        let held = registry.seize(self.owner.shared(), key, value)?;
        self.contested().waiting = true;
        Ok(held)
    }

    /// The place is won.
    pub(crate) fn keep(&mut self) {
        self.contested().waiting = false;
    }

    /// Gives the place back, if there is one that is not won.
    pub(crate) fn withdraw(&mut self) {
        let contested = self.contested.as_mut();
        if contested.is_some_and(|contested| std::mem::take(&mut contested.waiting)) {
            self.owner.withdraw();
        }
    }

    fn contested(&mut self) -> &mut Contested {
        self.contested.get_or_insert_default()
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

    /// Registers an asynchronous undo. `spawn` is given the task that runs it, to run it
    /// in the background.
    ///
    /// It has its turn among the others: it begins when all that are newer are over, and
    /// those that are older wait until it is over, and so does [`Handle::settled`].
    /// The thread that closes does not wait. If `undo` panics, that is reported like the
    /// panic of any undo.
    ///
    /// `spawn` is called where the connection is unwound, from whatever thread or `Drop`
    /// that is, so it has to know where to run the task. If it drops the task, or the task
    /// is dropped later before it is complete, the undo was not run to its end: that is
    /// [reported](crate::Settled::unfinished) under `name`, and the older ones follow.
    ///
    /// If the connection has closed already, it begins without delay, or in its turn if
    /// other undos are running.
    ///
    /// On tokio, there is `on_close_async`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use futures::executor::{ThreadPool, block_on};
    /// use hangup::Scope;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = ThreadPool::new()?;
    /// let mut setup = Scope::new().open()?.register()?;
    /// let handle = setup.handle();
    /// setup.on_close_spawn(
    ///     "say goodbye",
    ///     move |task| pool.spawn_ok(task),
    ///     || async { println!("goodbye") },
    /// );
    ///
    /// drop(setup);
    /// let settled = block_on(handle.settled());
    /// assert_eq!((settled.undone, settled.unfinished.len()), (1, 0));
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_close_spawn<N, S, F, Fut>(&mut self, name: N, spawn: S, undo: F)
    where
        N: Into<Cow<'static, str>>,
        S: FnOnce(BoxFuture<()>) + Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let lifecycle = self.owner.share();
        let name = name.into();
        let begin = move |next| spawn(undoing(lifecycle, name, next, undo));
        self.owner.push_undo_elsewhere(begin);
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
    /// [`Closed`] if the connection was closed meanwhile.
    pub fn go_live(mut self) -> Result<Live, Closed> {
        self.withdraw();
        self.owner.go_live()?;
        let live = Live::new(self.owner);
        if let Some(contested) = self.contested {
            contested.close_replaced();
        }
        Ok(live)
    }
}

impl Contested {
    fn close_replaced(self) {
        // All of them first: one of them may be looked up under another key.
        let replaced: Vec<_> = self.replacing.iter().flat_map(|it| it.replaced()).collect();
        for handle in replaced {
            // Whatever reason it had before ours, it is closed.
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
