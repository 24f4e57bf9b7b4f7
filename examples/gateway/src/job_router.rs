//! A small in-memory job router with slow doors: each step takes its time, and so does one
//! of the undos.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a job takes at most.
const JOB: Duration = Duration::from_millis(20);

/// Which workers get jobs. It knows a worker as long as something of it is to be undone.
#[derive(Default)]
pub(crate) struct JobRouter {
    workers: Mutex<BTreeMap<String, Worker>>,
}

#[derive(Default, PartialEq, Eq)]
struct Worker {
    held_back: bool,
    registered: bool,
    running: bool,
}

impl JobRouter {
    /// Holds jobs back while the worker is being set up.
    pub(crate) async fn pause(&self, name: &str, latency: Duration) {
        tokio::time::sleep(latency).await;
        self.update(name, |worker| {
            worker.held_back = true;
            worker.running = false;
        });
    }

    pub(crate) fn undo_pause(&self, name: &str) {
        self.update(name, |worker| worker.held_back = false);
    }

    /// Makes the worker known.
    pub(crate) async fn register(&self, name: &str, latency: Duration) {
        tokio::time::sleep(latency).await;
        self.update(name, |worker| worker.registered = true);
    }

    pub(crate) fn undo_register(&self, name: &str) {
        self.update(name, |worker| worker.registered = false);
    }

    /// Lets jobs flow.
    pub(crate) async fn resume(&self, name: &str, latency: Duration) {
        tokio::time::sleep(latency).await;
        self.update(name, |worker| {
            assert!(worker.registered, "resumed after its undo");
            worker.held_back = false;
            worker.running = true;
        });
    }

    /// Waits for the job in hand.
    pub(crate) async fn undo_resume(self: Arc<Self>, name: String) {
        tokio::time::sleep(JOB).await;
        self.update(&name, |worker| worker.running = false);
    }

    /// `undo` for the worker called `name`, to be run whenever.
    pub(crate) fn undo(
        self: &Arc<Self>,
        name: &str,
        undo: fn(&Self, &str),
    ) -> impl FnOnce() + Send + 'static {
        let (router, name) = (Arc::clone(self), name.to_owned());
        move || undo(&router, &name)
    }

    /// `running` or `paused` for every worker that it knows.
    pub(crate) fn states(&self) -> BTreeMap<String, &'static str> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers
            .iter()
            .map(|(name, worker)| {
                let runs = worker.running && !worker.held_back;
                let state = if runs { "running" } else { "paused" };
                (name.clone(), state)
            })
            .collect()
    }

    fn update(&self, name: &str, change: impl FnOnce(&mut Worker)) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let worker = workers.entry(name.to_owned()).or_default();
        change(worker);
        // Else it would keep every name that a client invents.
        if *worker == Worker::default() {
            workers.remove(name);
        }
    }
}
