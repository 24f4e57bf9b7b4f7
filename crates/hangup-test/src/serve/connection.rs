//! A connection that hyper serves on the tasks of a trial.

use std::error::Error;
use std::future::Future;

use hyper::body::{Body, Incoming};
use hyper::rt::Executor;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tower_service::Service;

use super::pipe::Pipe;
use crate::client::Client;
use crate::trial::Trial;

/// How many bytes a pipe of [`Client::serve`] holds in each direction: the heads of usual
/// requests and responses, and a few small items.
const CAPACITY: usize = 1024;

/// How many bytes hyper holds before it lets a body wait: the least that it accepts.
const BUFFERED: usize = 8 * 1024;

/// Spawns the tasks of hyper on a trial, created by [`Trial::executor`].
#[derive(Debug, Clone)]
pub struct TrialExecutor(Trial);

impl<F: Future + 'static> Executor<F> for TrialExecutor {
    /// # Panics
    ///
    /// Panics on another thread than that of the test.
    fn execute(&self, task: F) {
        self.0.spawn_serving("of hyper".into(), task);
    }
}

impl Trial {
    /// Returns an executor for the builders of hyper, which spawn a task for each stream of
    /// HTTP/2.
    #[must_use]
    pub fn executor(&self) -> TrialExecutor {
        TrialExecutor(self.clone())
    }
}

impl Client {
    /// Serves one connection of this client, over HTTP/1 or HTTP/2 as the client begins it, with
    /// upgrades, and returns the client's end. The pipe holds 1,024 bytes in each direction.
    ///
    /// hyper has its defaults, but for its buffers: it holds at most 8 KiB of a body before it
    /// lets it wait, and takes heads of 8 KiB. Like `axum::serve`, it has no timers. The module
    /// [`serve`](crate::serve) says what the endings do.
    ///
    /// # Panics
    ///
    /// Panics on another thread than that of the test.
    pub fn serve<S, B>(&self, service: S) -> Pipe
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + 'static,
        S::Future: 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        self.serve_with_capacity(CAPACITY, service)
    }

    /// Does the same over a pipe that holds `capacity` bytes in each direction. With fewer, the
    /// server waits sooner for the client, and a response has more points.
    ///
    /// # Panics
    ///
    /// Panics if `capacity` is zero, or on another thread than that of the test.
    pub fn serve_with_capacity<S, B>(&self, capacity: usize, service: S) -> Pipe
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + 'static,
        S::Future: 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (pipe, end) = self.pipe(capacity);
        let mut builder = Builder::new(self.trial().executor());
        // Counted in bytes, and not in pieces.
        builder.http1().max_buf_size(BUFFERED).writev(false);
        // As `axum::serve` does, for WebSockets over HTTP/2.
        let mut http2 = builder.http2();
        http2.max_send_buf_size(BUFFERED).enable_connect_protocol();
        let service = TowerToHyperService::new(service);
        let connection = async move {
            let served = builder.serve_connection_with_upgrades(TokioIo::new(end), service);
            // An error says that the client has gone, or talks nonsense.
            let _: Result<(), _> = served.await;
        };
        self.trial()
            .spawn_serving("that serves the connection".into(), connection);
        pipe
    }
}
