//! The state of the servers under test: on `hangup`, and by hand.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use axum::response::sse::Event;
use futures::{Stream, StreamExt, stream};
use hangup::{CloseReason, Conflict, Registering, Registry, Scope};
use hangup_test::{AbortEverywhere, Client, Report, Signal, Trial, abort_everywhere};
use tokio::sync::broadcast;

/// A server on `hangup`.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) trial: Trial,
    pub(crate) scope: Scope,
    workers: Registry<&'static str, ()>,
    pub(crate) news: broadcast::Sender<String>,
}

impl App {
    pub(crate) fn new(trial: &Trial) -> Self {
        Self {
            trial: trial.clone(),
            scope: Scope::new(),
            workers: Registry::new(Conflict::Replace),
            news: broadcast::Sender::new(8),
        }
    }

    /// Replaces the connection before, once that is undone.
    pub(crate) async fn set_up(&self) -> Result<Registering, hangup::Error> {
        let mut setup = self.scope.open()?.register()?;
        setup.take_over(&self.workers, "ada", ()).await?;
        setup.run(self.trial.point("authenticate")).await?;
        Ok(setup)
    }

    /// Closes everything, and waits until it is undone.
    pub(crate) async fn drain(&self) {
        self.scope.begin_drain();
        self.scope.close_all(CloseReason::Shutdown);
        self.scope.drained().await;
    }
}

/// Tries `script` on a server on `hangup`, with every ending, and asserts that all of them were
/// tried.
pub(crate) fn check<F: Future + 'static>(
    name: &str,
    script: impl Fn(App, Client) -> F + 'static,
) -> Report {
    let begun = Instant::now();
    let tried = abort_everywhere(App::new, script)
        .entry("workers", |app| app.workers.contains("ada"))
        .resource("connections", |app| app.scope.handles().len())
        .close(|app| async move { app.scope.close_all(CloseReason::Idle) > 0 })
        .shutdown(|app| async move { app.drain().await })
        .event("news", |app| async move {
            // An error says that no connection listens.
            let _: Result<usize, _> = app.news.send("new".into());
        })
        .one_per_key()
        .on_tokio();
    let report = told(name, begun, tried);
    assert!(report.is_clean(), "{report}");
    let endings: Vec<_> = report.endings().iter().map(ToString::to_string).collect();
    for ending in ["dropped", "closed", "shutdown", "newcomer", "stalled"] {
        assert!(endings.iter().any(|it| it == ending), "{ending}: {report}");
    }
    report
}

/// Explores, and prints how many cases there were.
pub(crate) fn told<E: Clone + 'static>(
    name: &str,
    begun: Instant,
    tried: AbortEverywhere<E>,
) -> Report {
    let report = tried.explore().unwrap();
    let (points, cases) = (report.points().len(), report.cases());
    println!(
        "{name}: {points} points, {cases} cases, {:?}",
        begun.elapsed()
    );
    report
}

/// A server by hand. Its connections have an entry each.
#[derive(Clone)]
pub(crate) struct ByHand {
    pub(crate) trial: Trial,
    open: Arc<Mutex<BTreeMap<u64, Signal>>>,
    pub(crate) news: broadcast::Sender<String>,
}

impl ByHand {
    pub(crate) fn new(trial: &Trial) -> Self {
        Self {
            trial: trial.clone(),
            open: Arc::default(),
            news: broadcast::Sender::new(8),
        }
    }

    /// Adds an entry, and returns what fires when the server closes it.
    pub(crate) fn enter(&self) -> (u64, Signal) {
        let mut open = self.open.lock().unwrap();
        let id = open.keys().next_back().map_or(0, |last| last + 1);
        let closed = Signal::new();
        open.insert(id, closed.clone());
        (id, closed)
    }

    pub(crate) fn leave(&self, id: u64) {
        let removed = self.open.lock().unwrap().remove(&id);
        drop(removed);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.lock().unwrap().is_empty()
    }

    /// Returns `true` if a connection was open.
    pub(crate) fn close(&self) -> bool {
        let all: Vec<_> = self.open.lock().unwrap().values().cloned().collect();
        all.iter().for_each(Signal::fire);
        !all.is_empty()
    }

    /// Closes everything, and waits until all have left.
    pub(crate) async fn shut_down(&self) {
        self.close();
        let mut timer = self.trial.timer("shutdown");
        while !self.is_empty() {
            timer.tick().await;
        }
    }
}

/// Leaves when it is dropped.
pub(crate) struct Leave(pub(crate) ByHand, pub(crate) u64);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.leave(self.1);
    }
}

pub(crate) fn sessions(tried: AbortEverywhere<ByHand>) -> AbortEverywhere<ByHand> {
    tried.resource("session", |app| app.open.lock().unwrap().len())
}

/// One event, and silence.
pub(crate) fn hello() -> impl Stream<Item = &'static str> {
    stream::iter(["hello"]).chain(stream::pending())
}

pub(crate) fn events<T: ToString>(
    items: impl Stream<Item = T>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    items.map(|item| Ok(Event::default().data(item.to_string())))
}

/// Counts the panics that unwind through it.
pub(crate) struct Unwinds(pub(crate) Arc<AtomicUsize>);

impl Drop for Unwinds {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
