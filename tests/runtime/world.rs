//! What the connections of one test share, and what each of them acquires.

use std::future::pending;
use std::time::Duration;

use hangup::{Conflict, Handle, OpenError, Registering, Registry, Scope};
use tokio::runtime::{self, Runtime};
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;

use crate::bounded::name_of_test;
use crate::census::{Alive, Census};

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) scope: Scope,
    pub(crate) registry: Registry<String, Alive>,
    /// It outlives all, and is never cancelled.
    pub(crate) token: CancellationToken,
    pub(crate) census: Census,
}

/// The undos of [`World::register`]: one that takes its time, between two others.
pub(crate) const UNDOS: usize = 3;

impl World {
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            registry: Registry::new(Conflict::Replace),
            token: CancellationToken::new(),
            census: Census::default(),
        }
    }

    /// Its scope is given `runtime`.
    pub(crate) fn on(runtime: &Runtime) -> Self {
        let scope = Scope::builder()
            .runtime(runtime.handle().clone())
            .sweep_every(Duration::from_millis(1));
        Self::new(scope.build())
    }

    /// A connection that has acquired something, within a runtime.
    pub(crate) fn register(&self, key: &str) -> Result<Registering, OpenError> {
        let (alive, cancelled) = (self.census.count("signal"), self.token.clone());
        let signal = async move {
            let _alive = alive;
            cancelled.cancelled_owned().await;
        };
        let mut setup = self.scope.open()?.abort_on(signal)?.register()?;
        self.acquire(&mut setup, key);
        Ok(setup)
    }

    /// What can be acquired without a runtime.
    pub(crate) fn acquire(&self, setup: &mut Registering, key: &str) {
        setup
            .join(&self.registry, key.to_owned(), self.census.count("member"))
            .unwrap();
        setup.hold(self.census.count("held")).unwrap();
        let alive = self.census.count("undo");
        setup
            .on_close_async("undo", || async move {
                let _alive = alive;
                yield_now().await;
            })
            .unwrap();
        setup.hold(self.census.count("held")).unwrap();
    }

    /// Stays where it is polled, and counts there.
    pub(crate) async fn in_place(&self) {
        let _here = self.census.count("in place");
        pending::<()>().await;
    }

    pub(crate) fn in_places(&self) -> usize {
        self.census.alive().get("in place").copied().unwrap_or(0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.census.alive().is_empty()
    }
}

pub(crate) fn runtime() -> Runtime {
    runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(name_of_test())
        .enable_all()
        .build()
        .unwrap()
}

/// That it has settled, and its asynchronous undo was or was not run to its end.
pub(crate) fn assert_settled(handle: &Handle, abandoned: &[&str]) {
    let settled = handle.try_settled().expect("it has settled");
    assert_eq!(settled.abandoned, abandoned);
    assert_eq!((settled.undos_run, settled.panics), (UNDOS, vec![]));
}
