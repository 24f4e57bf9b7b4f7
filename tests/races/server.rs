//! A small server written on the crate, to be disturbed at every point.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures::stream;
use hangup::{Conflict, Handle, LiveStream, Registry, Scope};

use crate::support::log::Log;

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) scope: Scope,
    pub(crate) workers: Registry<&'static str, u32>,
    pub(crate) router: Arc<Router>,
}

/// What is acquired outside: each step suspends before and after its effect.
#[derive(Default)]
pub(crate) struct Router {
    pub(crate) log: Log,
    held: Mutex<Vec<&'static str>>,
}

impl Router {
    async fn acquire(&self, what: &'static str) {
        futures::pending!();
        self.held.lock().unwrap().push(what);
        self.log.add(format!("+{what}"));
        futures::pending!();
    }

    fn release(&self, what: &'static str) {
        self.held.lock().unwrap().retain(|held| *held != what);
        self.log.add(format!("-{what}"));
    }
}

pub(crate) type Stream = LiveStream<stream::Pending<u8>>;
pub(crate) type Error = Box<dyn std::error::Error>;

/// What has to be acquired for every connection.
const STEPS: [&str; 3] = ["pause", "register", "resume"];

impl Server {
    pub(crate) fn new() -> Self {
        Self {
            scope: Scope::new(),
            workers: Registry::new(Conflict::Reject),
            router: Arc::default(),
        }
    }

    /// The handler: joins, acquires in three steps, goes live.
    pub(crate) async fn open(self) -> Result<Stream, Error> {
        let mut setup = self.scope.open()?.register()?;
        setup.join(&self.workers, "ada", 7)?;
        for what in STEPS {
            let router = Arc::clone(&self.router);
            setup.on_close(move || router.release(what)).unwrap();
            setup.run(self.router.acquire(what)).await?;
        }
        let live = setup.go_live()?;
        Ok(live.stream(stream::pending()))
    }

    /// A handle to the only connection there is.
    pub(crate) fn handle(&self) -> Handle {
        let [handle] = &self.scope.handles()[..] else {
            panic!("one connection is open");
        };
        handle.clone()
    }

    /// Nothing of any connection is left, and every undo ran once.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self) {
        let stats = self.scope.stats();
        assert_eq!((stats.open(), stats.settling), (0, 0), "{stats:?}");
        assert_eq!(stats.panics, 0, "{stats:?}");
        assert_eq!(self.workers.len(), 0);
        assert_eq!(*self.router.held.lock().unwrap(), [] as [&str; 0]);
        let log = self.router.log.entries();
        for what in STEPS {
            let releases = log.iter().filter(|entry| **entry == format!("-{what}"));
            assert!(releases.count() <= 1, "{log:?}");
        }
        // The key is free again.
        let mut next = Scope::new().open().unwrap().register().unwrap();
        next.join(&self.workers, "ada", 8).unwrap();
    }
}

/// A handler in flight, polled by hand.
pub(crate) struct InFlight(Pin<Box<dyn Future<Output = Result<Stream, Error>>>>);

impl InFlight {
    pub(crate) fn new(server: &Server) -> Self {
        Self(Box::pin(server.clone().open()))
    }

    pub(crate) fn poll(&mut self) -> Poll<Result<Stream, Error>> {
        self.0
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Polls it to its `point`-th suspension.
    pub(crate) fn suspended_at(server: &Server, point: usize) -> Self {
        let mut handler = Self::new(server);
        for _ in 0..point {
            assert!(handler.poll().is_pending());
        }
        handler
    }
}

/// How often the handler suspends when nobody disturbs it.
pub(crate) fn points() -> usize {
    let server = Server::new();
    let mut handler = InFlight::new(&server);
    let mut points = 0;
    while handler.poll().is_pending() {
        points += 1;
    }
    assert_eq!(points, 2 * STEPS.len(), "every step suspends twice");
    points
}
