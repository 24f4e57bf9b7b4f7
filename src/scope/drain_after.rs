//! A drain that waits for a signal, and a server that ends within its deadline.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::Scope;
use super::drain::{Drain, DrainReport};
use crate::runtime::{self, BoxFuture, NoRuntime, Runtime};
use crate::state::CloseReason;
use crate::sync::{Mutex, lock};

/// The least time that a server has after a drain, to send the farewells.
const GRACE: Duration = Duration::from_millis(500);

impl Scope {
    /// Waits for `signal`, and then [drains](Self::drain) within `deadline`: what a server's
    /// graceful shutdown waits for.
    ///
    /// It has the output `()`, so it is what `with_graceful_shutdown` of axum,
    /// `serve_with_shutdown` of tonic, or a `select!` beside an accept loop takes. The server
    /// accepts until all connections of the scope have settled, and refuses streams as
    /// [`Draining`](crate::OpenError::Draining) in between: a load balancer sees an answer, and
    /// not a connection that is refused.
    ///
    /// A server then waits for its own connections, also for a peer that has stopped reading.
    /// [`serve`](DrainAfter::serve) bounds that.
    ///
    /// Without a [`Runtime`] there is no time: it closes all connections at once,
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
    /// axum::serve(listener, app).with_graceful_shutdown(drained).await?;
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
            deadline,
            drain: self.drain(deadline),
            begun: None,
            on_report: None,
        }
    }
}

type OnReport = Box<dyn FnOnce(DrainReport) + Send>;

/// A drain that waits for a signal. Made by [`Scope::drain_after`].
#[must_use = "futures do nothing unless polled"]
pub struct DrainAfter {
    signal: BoxFuture<()>,
    deadline: Duration,
    drain: Drain,
    begun: Option<Begun>,
    on_report: Option<OnReport>,
}

struct Begun {
    runtime: Option<Arc<dyn Runtime>>,
    at: Option<Instant>,
    drain: BoxFuture<Result<DrainReport, NoRuntime>>,
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

    /// Runs a server whose graceful shutdown waits for the drain, and bounds it: `None` if it has
    /// not ended by itself when the deadline has passed, and half a second after the drain has.
    /// Then it is dropped.
    ///
    /// A server that is dropped leaves the connections that it has spawned to its runtime: they
    /// end when `main` returns.
    ///
    /// # Cancel safety
    ///
    /// To drop it drops the server and the drain.
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
    /// let served = drained.serve(|drained| {
    ///     axum::serve(listener, app).with_graceful_shutdown(drained)
    /// });
    /// // `None` if a client did not read to its end.
    /// served.await.transpose()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn serve<F, S>(self, server: F) -> Serve<S::IntoFuture>
    where
        F: FnOnce(Shutdown) -> S,
        S: IntoFuture,
    {
        let told = Arc::new(Mutex::new(Told::NotYet(None)));
        let shutdown = Shutdown {
            told: Arc::clone(&told),
        };
        Serve {
            server: server(shutdown).into_future(),
            drain: self,
            told,
            left: None,
        }
    }

    fn begin(&self) -> Begun {
        let scope = self.drain.scope();
        let given = scope.runtime().cloned();
        let runtime = given.or_else(runtime::current);
        Begun {
            at: runtime.as_ref().map(|runtime| runtime.now()),
            runtime,
            drain: self.drain.clone().into_future(),
        }
    }
}

impl Future for DrainAfter {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.begun.is_none() {
            ready!(this.signal.as_mut().poll(cx));
            this.begun = Some(this.begin());
        }
        let Some(begun) = &mut this.begun else {
            unreachable!("it has begun");
        };
        match ready!(begun.drain.as_mut().poll(cx)) {
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

/// What a server's graceful shutdown waits for: it resolves when the drain is over. Given out by
/// [`DrainAfter::serve`].
#[must_use = "futures do nothing unless polled"]
pub struct Shutdown {
    told: Arc<Mutex<Told>>,
}

enum Told {
    NotYet(Option<Waker>),
    Over,
}

impl Future for Shutdown {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // To clone a waker, and to drop one, is user code (I8).
        let waker = cx.waker().clone();
        let replaced = match &mut *lock(&self.told) {
            Told::NotYet(waiting) => waiting.replace(waker),
            Told::Over => return Poll::Ready(()),
        };
        drop(replaced);
        Poll::Pending
    }
}

pin_project! {
    /// A server that ends within the deadline of a drain. Made by [`DrainAfter::serve`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Serve<S> {
        #[pin]
        server: S,
        drain: DrainAfter,
        told: Arc<Mutex<Told>>,
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
        let is_over = matches!(&*lock(this.told), Told::Over);
        if !is_over {
            ready!(Pin::new(&mut *this.drain).poll(cx));
            if let Some(Begun {
                runtime: Some(runtime),
                at: Some(at),
                ..
            }) = &this.drain.begun
            {
                let passed = runtime.now().saturating_duration_since(*at);
                let left = this.drain.deadline.saturating_sub(passed);
                *this.left = Some(runtime.sleep(left.max(GRACE)));
            }
            let told = std::mem::replace(&mut *lock(this.told), Told::Over);
            if let Told::NotYet(Some(waker)) = told {
                waker.wake();
            }
        }
        match this.left {
            Some(left) => left.as_mut().poll(cx).map(|()| None),
            // Without a clock it is not bounded.
            None => Poll::Pending,
        }
    }
}

impl fmt::Debug for DrainAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainAfter")
            .field("deadline", &self.deadline)
            .field("has_begun", &self.begun.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Serve<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("drain", &self.drain)
            .finish_non_exhaustive()
    }
}
