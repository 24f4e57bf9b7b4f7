//! Registering undos that run on a runtime.

use std::future::Future;

use super::Registering;
use crate::lifecycle::{Label, Name, Undos};
use crate::state::Closed;

impl Registering {
    /// Registers an asynchronous undo, to run when the connection closes. `name` is what it
    /// is reported as if it does not run to its end.
    ///
    /// It has its turn among the other undos: it begins when all newer ones are over, and
    /// the older ones wait until it is over. So does
    /// [`Handle::settled`](crate::Handle::settled), and with it a take-over of the same key
    /// and a drain. The thread that closes does not wait. If `undo` panics, the others still
    /// run, and [`Settled::panics`](crate::report::Settled::panics) reports it. How the newer ones
    /// went, [`Handle::so_far`](crate::Handle::so_far) tells.
    ///
    /// It runs on the [`Runtime`](crate::runtime) that is found when this is called, else on
    /// the one that is found where the connection is closed. If there is none, or the
    /// runtime shuts down, the undo does not run to its end:
    /// [`Settled::abandoned`](crate::report::Settled::abandoned) reports its name, and the older
    /// undos run. Nothing panics, from whatever `Drop` the connection is closed.
    ///
    /// The [undo deadline](crate::Deadlines::undo) limits each undo.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the connection has closed. `undo` runs in any case, in its turn and
    /// before the connection has settled.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use hangup::Scope;
    ///
    /// let mut setup = Scope::new().open()?.register()?;
    /// setup.on_close_async("log", || async { println!("gone") })?;
    /// let live = setup.go_live()?;
    ///
    /// let handle = live.handle();
    /// drop(live);
    /// assert_eq!(handle.settled().await.undos_run, 1);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn on_close_async<F, Fut>(&mut self, name: impl Into<Name>, undo: F) -> Result<(), Closed>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let mut undos = Undos::default();
        undos.push_spawned(self.owner().shared(), Label::here(name), undo);
        self.owner().push_undos(undos);
        self.open()
    }

    /// Registers an undo that may block, to run when the connection closes.
    ///
    /// It runs where [`Runtime::spawn_blocking`](crate::runtime::Runtime::spawn_blocking)
    /// runs it, so it holds up neither the thread that closes nor a sweep, and has its turn
    /// as an [asynchronous undo](Self::on_close_async) has. Nothing can stop it once it has
    /// begun: a deadline that passes afterwards has no effect on it.
    ///
    /// # Errors
    ///
    /// As [`on_close_async`](Self::on_close_async).
    #[track_caller]
    pub fn on_close_blocking<F>(&mut self, name: impl Into<Name>, undo: F) -> Result<(), Closed>
    where
        F: FnOnce() + Send + 'static,
    {
        let mut undos = Undos::default();
        undos.push_blocking(self.owner().shared(), Label::here(name), undo);
        self.owner().push_undos(undos);
        self.open()
    }

    /// Registers an asynchronous undo that runs after all others, whenever they were
    /// registered: to give something up that protects what they undo, such as a lock that
    /// other servers see.
    ///
    /// It is abandoned last: [`Handle::abandon_undos`](crate::Handle::abandon_undos) abandons
    /// it only if it is the one that is running. In all else it is an
    /// [asynchronous undo](Self::on_close_async). Of several, the newest runs first.
    ///
    /// # Errors
    ///
    /// As [`on_close_async`](Self::on_close_async).
    #[track_caller]
    pub fn on_close_last<F, Fut>(&mut self, name: impl Into<Name>, undo: F) -> Result<(), Closed>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let mut undos = Undos::default();
        undos.push_spawned(self.owner().shared(), Label::here(name), undo);
        self.owner().push_last_undos(undos);
        self.open()
    }
}
