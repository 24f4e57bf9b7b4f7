//! A drain that waits for a signal.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::Scope;
use super::drain::{Drain, DrainReport};
use crate::runtime::{BoxFuture, NoRuntime};
use crate::state::CloseReason;

impl Scope {
    /// Waits for `signal`, and then [drains](Self::drain) within `deadline`: what a server's
    /// graceful shutdown waits for.
    ///
    /// It has the output `()`, so it is what `with_graceful_shutdown` of axum,
    /// `serve_with_shutdown` of tonic, or a `select!` beside an accept loop takes. The server
    /// accepts until all connections of the scope have settled, and refuses streams as
    /// [`Draining`](crate::OpenError::Draining) in between: a load balancer sees an answer, and
    /// not a connection that is refused. If no undo and no goodbye takes time, that is a few
    /// milliseconds.
    ///
    /// A server that listens to signals by itself, such as actix-web, has no use for a future that
    /// tells it to stop: spawn this one beside it.
    ///
    /// A server then waits for its own connections, also for a peer that has stopped reading.
    /// [`serve`](Self::serve) bounds that.
    ///
    /// Without a [`Runtime`](crate::runtime::Runtime) there is no time: it closes all connections at once,
    /// and waits for none. A signal that panics passes its panic on.
    ///
    /// # Cancel safety
    ///
    /// Before the signal, to drop it changes nothing. After it: see [`drain`](Self::drain).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use hangup::Scope;
    ///
    /// let scope = Scope::new();
    /// let app = axum::Router::new(); // ...with the scope in its state
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let signal = std::future::ready(());
    /// # /*
    /// let signal = hangup::runtime::shutdown_signal()?;
    /// # */
    /// let drained = scope.drain_after(signal, Duration::from_secs(10));
    /// let server = axum::serve(listener, app).with_graceful_shutdown(drained);
    /// scope.serve(server).await.transpose()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn drain_after<S>(&self, signal: S, deadline: Duration) -> DrainAfter
    where
        S: IntoFuture,
        S::IntoFuture: Send + 'static,
    {
        let signal = signal.into_future();
        DrainAfter {
            signal: Box::pin(async move { drop(signal.await) }),
            drain: self.drain(deadline),
            running: None,
            on_report: None,
        }
    }
}

type OnReport = Box<dyn FnOnce(DrainReport) + Send>;

/// A drain that waits for a signal. Made by [`Scope::drain_after`].
#[must_use = "futures do nothing unless polled"]
pub struct DrainAfter {
    signal: BoxFuture<()>,
    drain: Drain,
    /// `None` until the signal has come.
    running: Option<BoxFuture<Result<DrainReport, NoRuntime>>>,
    on_report: Option<OnReport>,
}

impl DrainAfter {
    /// Calls `tell` with how the drain went.
    pub fn on_report<F>(mut self, tell: F) -> Self
    where
        F: FnOnce(DrainReport) + Send + 'static,
    {
        self.on_report = Some(Box::new(tell));
        self
    }

    /// Changes the drain: its [batches](Drain::batch_size), or how it is
    /// [spread](Drain::spread).
    pub fn map_drain<F>(mut self, map: F) -> Self
    where
        F: FnOnce(Drain) -> Drain,
    {
        self.drain = map(self.drain);
        self
    }
}

impl Future for DrainAfter {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let running = match &mut this.running {
            Some(running) => running,
            None => {
                ready!(this.signal.as_mut().poll(cx));
                this.running.insert(this.drain.clone().into_future())
            }
        };
        match ready!(running.as_mut().poll(cx)) {
            Ok(report) => {
                if let Some(tell) = this.on_report.take() {
                    tell(report);
                }
            }
            Err(NoRuntime) => {
                let scope = this.drain.scope();
                scope.begin_drain();
                scope.close_all(CloseReason::Shutdown);
            }
        }
        Poll::Ready(())
    }
}

impl fmt::Debug for DrainAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainAfter")
            .field("drain", &self.drain)
            .field("has_begun", &self.running.is_some())
            .finish_non_exhaustive()
    }
}
