//! The description of a test of a handler.

use std::collections::BTreeSet;
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
    pub(crate) level: Rc<dyn Fn(&E) -> usize>,
}

/// The server and the handler under test, the endings that the test supplies, and what is
/// checked in addition to the ledger.
pub(crate) struct Plan<E> {
    pub(crate) server: Rc<Server<E>>,
    pub(crate) handler: Rc<Handler<E>>,
    pub(crate) close: Option<Rc<Close<E>>>,
    pub(crate) shutdown: Option<Rc<Act<E>>>,
    pub(crate) events: Vec<(String, Rc<Act<E>>)>,
    /// The events that may end a connection.
    pub(crate) may_end: BTreeSet<String>,
    pub(crate) probes: Vec<Probe<E>>,
    pub(crate) caps: Vec<(usize, String)>,
    /// Whether no second connection and no event ends a connection.
    pub(crate) stays_open: bool,
    /// Whether one connection at most stays open under the key.
    pub(crate) one_per_key: bool,
    pub(crate) max_polls: usize,
    /// How long a run on tokio waits for a timer; `None` if it does not run on tokio.
    pub(crate) patience: Option<Duration>,
}

impl<E> Clone for Probe<E> {
    fn clone(&self) -> Self {
        Self {
            kind: self.kind,
            name: self.name.clone(),
            level: Rc::clone(&self.level),
        }
    }
}

impl<E> Clone for Plan<E> {
    fn clone(&self) -> Self {
        Self {
            server: Rc::clone(&self.server),
            handler: Rc::clone(&self.handler),
            close: self.close.clone(),
            shutdown: self.shutdown.clone(),
            events: self.events.clone(),
            may_end: self.may_end.clone(),
            probes: self.probes.clone(),
            caps: self.caps.clone(),
            stays_open: self.stays_open,
            one_per_key: self.one_per_key,
            max_polls: self.max_polls,
            patience: self.patience,
        }
    }
}

impl<E> Plan<E> {
    pub(crate) fn new(server: Rc<Server<E>>, handler: Rc<Handler<E>>) -> Self {
        Self {
            server,
            handler,
            close: None,
            shutdown: None,
            events: Vec::new(),
            may_end: BTreeSet::new(),
            probes: Vec::new(),
            caps: Vec::new(),
            stays_open: false,
            one_per_key: false,
            max_polls: 100_000,
            patience: None,
        }
    }

    pub(crate) fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Creates the source of time of a new run.
    #[cfg_attr(
        not(feature = "tokio"),
        expect(unused_variables, reason = "for the runtime")
    )]
    pub(crate) fn time(&self, trial: &Trial) -> Time {
        match self.patience {
            None => Time::OfTheTrial,
            #[cfg(feature = "tokio")]
            Some(patience) => {
                let runtime = PausedRuntime::new(patience, trial).expect("a runtime");
                Time::Tokio(Rc::new(runtime))
            }
            #[cfg(not(feature = "tokio"))]
            Some(_) => unreachable!("only `on_tokio` sets it"),
        }
    }
}
