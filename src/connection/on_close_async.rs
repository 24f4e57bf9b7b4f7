//! Registering asynchronous undos.

use std::future::Future;

use super::Registering;
use crate::lifecycle::{Name, async_undo};
use crate::runtime;

impl Registering {
    /// Registers an asynchronous undo, to run when the connection closes. `name` is what it
    /// is reported as if it does not run to its end.
    ///
    /// It has its turn among the other undos: it begins when all newer ones are over, and
    /// the older ones wait until it is over. So does
    /// [`Handle::settled`](crate::Handle::settled), and with it a take-over of the same key
    /// and a drain. The thread that closes does not wait. If `undo` panics, the others still
    /// run, and [`Settled::panics`](crate::Settled::panics) reports it.
    ///
    /// It runs on the [`Runtime`](crate::runtime) that is found when this is called, else on
    /// the one that is found where the connection is closed. If there is none, or the
    /// runtime shuts down, the undo does not run to its end:
    /// [`Settled::abandoned`](crate::Settled::abandoned) reports its name, and the older
    /// undos run. Nothing panics, from whatever `Drop` the connection is closed.
    ///
    /// The [undo deadline](crate::Deadlines::undo) limits each undo.
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
    /// setup.on_close_async("pause", || pause("ada")); // the undo first...
    /// setup.run(resume("ada")).await?; // ...then the step
    /// let live = setup.go_live()?;
    ///
    /// let handle = live.handle();
    /// drop(live);
    /// assert_eq!(handle.settled().await.undos_run, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_close_async<N, F, Fut>(&mut self, name: N, undo: F)
    where
        N: Into<std::borrow::Cow<'static, str>>,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let name: Name = name.into();
        let lifecycle = self.share();
        let runtime = lifecycle.runtime();
        self.lifecycle().push_async_undo(move |then| {
            let task = async_undo(lifecycle, name, then, undo);
            // Without a runtime the task is dropped, which reports its name.
            if let Some(runtime) = runtime.or_else(runtime::current) {
                runtime.spawn(task);
            }
        });
    }
}
