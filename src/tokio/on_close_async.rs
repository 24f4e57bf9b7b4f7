//! Undos that take their time.

use std::borrow::Cow;
use std::future::Future;
use std::panic::Location;

use crate::runtime::current;
use crate::{BoxFuture, Registering};

impl Registering {
    /// Registers an asynchronous undo, to run when the connection closes.
    ///
    /// It has its turn among the other undos: it begins when all that are newer are over,
    /// and those that are older wait until it is over. So does
    /// [`Handle::settled`](crate::Handle::settled), and with it a take-over of the same
    /// key and a drain. The thread that closes does not wait. If `undo` panics, the others
    /// still run, and [`Settled::panics`](crate::Settled::panics) reports it.
    ///
    /// It runs on the [runtime of the scope](crate::ScopeBuilder::runtime) if that has
    /// one, else on the one in which this is called, else on the one in which the
    /// connection is closed. If there is none, or when it shuts down, the undo
    /// cannot run to its end. That is reported in
    /// [`Settled::unfinished`](crate::Settled::unfinished), under the name that
    /// [`on_close_async_named`](Self::on_close_async_named) gives it, or the line that
    /// calls this, and the older undos follow. Nothing panics, from whatever `Drop` it is
    /// closed.
    ///
    /// The [undo deadline](crate::Deadlines::undo) of the scope limits each one.
    ///
    /// If the connection has closed already, `undo` begins without delay, or in its turn if
    /// other undos are running.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # async fn pause(_: &str) {}
    /// # async fn resume(_: &str) {}
    /// use hangup::Scope;
    ///
    /// let mut setup = Scope::new().open()?.register()?;
    /// setup.on_close_async(|| pause("ada")); // the undo first...
    /// setup.run(resume("ada")).await?; // ...then the step
    /// let live = setup.go_live()?;
    ///
    /// let handle = live.handle();
    /// drop(live);
    /// assert_eq!(handle.settled().await.undone, 1);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn on_close_async<F, Fut>(&mut self, undo: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.on_close_async_named(Location::caller().to_string(), undo);
    }

    /// [`on_close_async`](Self::on_close_async), with a name for when it is not run to its
    /// end.
    pub fn on_close_async_named<N, F, Fut>(&mut self, name: N, undo: F)
    where
        N: Into<Cow<'static, str>>,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let scope = self.scope();
        let runtime = scope.runtime().cloned().or_else(current);
        let spawn = move |task: BoxFuture<()>| {
            // Dropped if there is still none, which reports it.
            if let Some(runtime) = runtime.or_else(current) {
                runtime.spawn(task);
            }
        };
        self.on_close_spawn(name, spawn, undo);
    }
}
