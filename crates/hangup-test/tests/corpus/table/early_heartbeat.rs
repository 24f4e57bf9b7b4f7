//! The abort stops the current heartbeat, and it may fire before the heartbeat starts.

use std::sync::{Arc, Mutex};

use futures::channel::mpsc::unbounded;
use futures::future::AbortHandle;
use hangup_test::{Client, Report, Trial, abort_everywhere};

use super::fake::request_signal;
use super::heartbeat::{start_heartbeat, stream_with_heartbeat};
use super::on_hangup::{self, Outcome, register};

async fn handler_by_hand(trial: Trial, client: Client) {
    let (aborted, _request) = request_signal(&client);
    let heartbeat: Arc<Mutex<Option<AbortHandle>>> = Arc::default();
    let stopped = Arc::clone(&heartbeat);
    aborted.listen(move || {
        if let Some(heartbeat) = stopped.lock().unwrap().take() {
            heartbeat.abort();
        }
    });
    trial.point("authenticate").await;
    let (events, body) = unbounded();
    let started = start_heartbeat(&trial, move || drop(events.unbounded_send("ping")));
    *heartbeat.lock().unwrap() = Some(started);
    client.respond(body).await;
}

pub(super) fn by_hand() -> Report {
    abort_everywhere(Trial::clone, handler_by_hand)
        .explore()
        .unwrap()
}

async fn handler(server: on_hangup::Server, client: Client) -> Outcome {
    let mut setup = register(&server, &client)?;
    setup.run(server.trial.point("authenticate")).await?;
    stream_with_heartbeat(&server, setup, &client).await
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(2, handler)
}
