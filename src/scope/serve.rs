//! A server that ends when its drain does.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::Scope;
use super::drained::Waiter;
use crate::runtime::{self, BoxFuture};

impl Scope {
    /// Runs a server, and bounds how long it waits for its own connections at a shutdown: `None`
    /// if it has not ended by itself at the deadline of a [drain](Self::drain) of this scope, or
    /// half a second after the drain is over, if that is later. Then the server is dropped. So the
    /// process ends at most about a second after the deadline.
    ///
    /// A peer that has stopped reading keeps a graceful shutdown waiting for ever, since what was
    /// written for it is not sent. A server that is dropped leaves the connections that it has
    /// spawned to its runtime: they end when `main` returns.
    ///
    /// Without a [`Runtime`](runtime::Runtime) to take the time from there is no drain, and no bound.
    ///
    /// # Cancel safety
    ///
    /// To drop it drops the server.
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
    pub fn serve<S: IntoFuture>(&self, server: S) -> Serve<S::IntoFuture> {
        Serve {
            server: server.into_future(),
            scope: self.clone(),
            waiter: Waiter::new(self),
            grace: None,
            left: None,
        }
    }
}

impl<S> Serve<S> {
    /// How long the server has when the drain is over, instead of the rest of its deadline: for a
    /// server whose other requests are short.
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = Some(time);
        self
    }
}

pin_project! {
    /// A server that ends when its drain does. Made by [`Scope::serve`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Serve<S> {
        #[pin]
        server: S,
        scope: Scope,
        waiter: Waiter,
        grace: Option<Duration>,
        // The time that the server has after the drain.
        left: Option<BoxFuture<()>>,
    }
}

impl<S: Future> Future for Serve<S> {
    type Output = Option<S::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.server.poll(cx) {
            return Poll::Ready(Some(output));
        }
        let left = match this.left {
            Some(left) => left,
            None => {
                // Before the look, so that no end is missed.
                this.waiter.wait(cx);
                let Some(until) = this.waiter.shared.served_until() else {
                    return Poll::Pending;
                };
                let given = this.scope.runtime().cloned();
                let Some(runtime) = given.or_else(runtime::current) else {
                    return Poll::Pending;
                };
                let left = || until.saturating_duration_since(runtime.now());
                let left = this.grace.unwrap_or_else(left);
                this.left.insert(runtime.sleep(left))
            }
        };
        ready!(left.as_mut().poll(cx));
        Poll::Ready(None)
    }
}

impl<S> fmt::Debug for Serve<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
