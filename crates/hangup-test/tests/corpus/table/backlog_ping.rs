//! The abort stops the pings, and it may come while the backlog is written, before they start.

use std::sync::{Arc, Mutex};

use futures::channel::mpsc::unbounded;
use futures::future::AbortHandle;
use hangup_test::{Client, Report, abort_everywhere};

use super::fake::{Server, request_signal};
use super::heartbeat::{start_heartbeat, stream_with_heartbeat};
use super::on_hangup::{self, Outcome, register};

async fn handler_by_hand(server: Server, client: Client) {
    let (aborted, _request) = request_signal(&client);
    if aborted.has_fired() {
        return;
    }
    let (writers, writer) = (server.connections.clone(), server.connections.add("ada"));
    let pings: Arc<Mutex<Option<AbortHandle>>> = Arc::default();
    let stopped = Arc::clone(&pings);
    aborted.listen(move || {
        writers.remove(writer);
        if let Some(pings) = stopped.lock().unwrap().take() {
            pings.abort();
        }
    });
    let (events, body) = unbounded();
    server.trial.point("write the backlog").await;
    let started = start_heartbeat(&server.trial, move || drop(events.unbounded_send("ping")));
    *pings.lock().unwrap() = Some(started);
    client.respond(body).await;
}

pub(super) fn by_hand() -> Report {
    abort_everywhere(Server::new, handler_by_hand)
        .resource("connections", |server| server.connections.len())
        .explore()
        .unwrap()
}

async fn handler(server: on_hangup::Server, client: Client) -> Outcome {
    let mut setup = register(&server, &client)?;
    setup.join(&server.workers, "ada", ())?;
    setup.run(server.trial.point("write the backlog")).await?;
    stream_with_heartbeat(&server, setup, &client).await
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(2, handler)
}
