//! The undo is registered one statement after the take-over. A connection that is closed in
//! between runs it at once: on its successor.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::future::{Either, select};
use futures::stream::{StreamExt, pending};
use hangup_test::{Client, Report, Signal, Trial, abort_everywhere};

use super::fake::Router;
use super::on_hangup::{self, Outcome, register, stream};

/// A manager as servers have it: one connection per key, and a connection that is closed runs
/// its undos.
#[derive(Clone)]
struct Manager {
    trial: Trial,
    router: Router,
    connections: Arc<Mutex<BTreeMap<&'static str, Signal>>>,
}

impl Manager {
    fn new(trial: &Trial) -> Self {
        Self {
            trial: trial.clone(),
            router: Router(trial.clone()),
            connections: Arc::default(),
        }
    }

    /// Closes the connection under the key, and puts a new one in its place.
    fn take_over(&self, key: &'static str) -> Connection {
        let closed = Signal::new();
        let predecessor = self.connections.lock().unwrap().insert(key, closed.clone());
        if let Some(predecessor) = predecessor {
            predecessor.fire();
        }
        Connection(closed)
    }

    fn close(&self, key: &'static str) -> bool {
        let connection = self.connections.lock().unwrap().remove(key);
        let found = connection.is_some();
        connection.iter().for_each(Signal::fire);
        found
    }
}

struct Connection(Signal);

impl Connection {
    /// Registers an undo. If the connection is closed already, it runs now.
    fn on_close(&self, undo: impl FnOnce() + Send + 'static) {
        if self.0.has_fired() {
            undo();
        } else {
            self.0.listen(undo);
        }
    }

    /// Runs a step of the set-up until the connection is closed.
    async fn run(&self, step: impl Future<Output = ()>) -> bool {
        let (closed, step) = (self.0.fired(), std::pin::pin!(step));
        !self.0.has_fired() && matches!(select(closed, step).await, Either::Right(_))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.0.has_fired() {
            self.0.fire();
        }
    }
}

async fn handler_by_hand(server: Manager, client: Client, marked: bool) {
    let connection = server.take_over("ada");
    if marked {
        server.trial.here("between the take-over and its undo");
    }
    let ledger = server.trial.ledger().clone();
    connection.on_close(move || ledger.switch_off("router: ada"));
    if connection.run(server.router.resume()).await {
        let body = pending::<()>().take_until(connection.0.fired());
        client.respond(body).await;
    }
}

fn explore(marked: bool) -> Report {
    let handler = move |server, client| handler_by_hand(server, client, marked);
    abort_everywhere(Manager::new, handler)
        .close(|server| async move { server.close("ada") })
        .explore()
        .unwrap()
}

pub(super) fn by_hand() -> Report {
    explore(true)
}

/// The same without the point between the two statements.
pub(super) fn by_hand_without_the_point() -> Report {
    explore(false)
}

async fn handler(server: on_hangup::Server, client: Client) -> Outcome {
    let mut setup = register(&server, &client)?;
    setup.take_over(&server.workers, "ada", ()).await?;
    server.trial.here("between the take-over and its undo");
    let router = server.router.clone();
    setup.on_close_async("pause", move || async move { router.pause().await })?;
    server.trial.here("between the undo and its step");
    setup.run(server.router.resume()).await?;
    server.trial.here("between the step and live");
    stream(setup, &client).await
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(2, handler)
}
