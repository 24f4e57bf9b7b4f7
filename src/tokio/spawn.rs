//! Tasks that end with their connection.

use std::future::Future;

use ::tokio::task::JoinHandle;

use crate::{Closed, Live, Registering};

macro_rules! spawn {
    ($state:ident) => {
        impl $state {
            /// Spawns a task that belongs to this connection: it is aborted at the close.
            ///
            /// It is [`scoped`](Self::scoped) work on the current runtime: the undo begins
            /// when it has been dropped, and it is gone when the connection has settled.
            /// Dropping the `JoinHandle` detaches from the task, and not the task from the
            /// connection. Aborting it stops `work`, and the connection goes on.
            ///
            /// # Panics
            ///
            /// Outside a tokio runtime.
            ///
            /// # Examples
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// use hangup::{CloseReason, Scope};
            ///
            /// let live = Scope::new().open()?.register()?.go_live()?;
            /// let poller = live.spawn(std::future::pending::<()>());
            ///
            /// live.close(CloseReason::Shutdown)?;
            /// assert_eq!(poller.await?.unwrap_err().reason, CloseReason::Shutdown);
            /// # Ok(())
            /// # }
            /// ```
            pub fn spawn<F>(&self, work: F) -> JoinHandle<Result<F::Output, Closed>>
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                ::tokio::spawn(self.scoped(work))
            }
        }
    };
}

spawn!(Registering);
spawn!(Live);
