//! The description of a test of a handler.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use crate::client::Client;
use crate::kind::Kind;
#[cfg(feature = "tokio")]
use crate::on_tokio::PausedRuntime;
use crate::time::Time;
use crate::trial::Trial;

pub(crate) type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;
pub(crate) type Server<E> = dyn Fn(&Trial) -> E;
pub(crate) type Handler<E> = dyn Fn(E, Client) -> LocalFuture<()>;
pub(crate) type Act<E> = dyn Fn(E) -> LocalFuture<()>;
pub(crate) type Close<E> = dyn Fn(E) -> LocalFuture<bool>;

/// A check of the server from outside.
pub(crate) struct Probe<E> {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) level: Box<dyn Fn(&E) -> usize>,
}

/// The server and the handler under test, the endings that the test supplies, and what is
/// checked in addition to the ledger.
pub(crate) struct Plan<E> {
    pub(crate) server: Box<Server<E>>,
    pub(crate) handler: Rc<Handler<E>>,
    pub(crate) close: Option<Rc<Close<E>>>,
    pub(crate) shutdown: Option<Rc<Act<E>>>,
    pub(crate) events: Vec<(String, Rc<Act<E>>)>,
    pub(crate) probes: Vec<Probe<E>>,
    pub(crate) caps: Vec<(usize, String)>,
    pub(crate) max_polls: usize,
    /// How long a run on tokio waits for a timer; `None` if it does not run on tokio.
    pub(crate) patience: Option<Duration>,
}

impl<E> Plan<E> {
    pub(crate) fn new(server: Box<Server<E>>, handler: Rc<Handler<E>>) -> Self {
        Self {
            server,
            handler,
            close: None,
            shutdown: None,
            events: Vec::new(),
            probes: Vec::new(),
            caps: Vec::new(),
            max_polls: 100_000,
            patience: None,
        }
    }

    /// Creates the source of time of a new run.
    pub(crate) fn time(&self) -> Time {
        match self.patience {
            None => Time::OfTheTrial,
            #[cfg(feature = "tokio")]
            Some(patience) => Time::Tokio(PausedRuntime::new(patience).expect("a runtime")),
            #[cfg(not(feature = "tokio"))]
            Some(_) => unreachable!("only `on_tokio` sets it"),
        }
    }
}
