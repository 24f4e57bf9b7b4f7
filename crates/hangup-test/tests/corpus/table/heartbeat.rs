//! The heartbeat is stopped where the response has ended, and nowhere else.

use futures::channel::mpsc::unbounded;
use futures::future::AbortHandle;
use futures::stream::pending;
use hangup::Registering;
use hangup_test::{Client, Report, Timer, Trial, abort_everywhere};

use super::on_hangup::{self, Outcome};

async fn handler_by_hand(trial: Trial, client: Client) {
    trial.point("authenticate").await;
    let (events, body) = unbounded();
    let heartbeat = start_heartbeat(&trial, move || drop(events.unbounded_send("ping")));
    client.respond(body).await;
    heartbeat.abort();
}

/// Starts a heartbeat that runs until it is stopped.
pub(super) fn start_heartbeat(trial: &Trial, beat: impl Fn() + Send + 'static) -> AbortHandle {
    let timer = trial.timer("heartbeat");
    let (heartbeat, stop) = futures::future::abortable(beats(timer, beat));
    trial.spawn(heartbeat);
    stop
}

async fn beats(mut timer: Timer, beat: impl Fn()) {
    loop {
        timer.tick().await;
        beat();
    }
}

pub(super) fn by_hand() -> Report {
    abort_everywhere(Trial::clone, handler_by_hand)
        .explore()
        .unwrap()
}

async fn handler(server: on_hangup::Server, client: Client) -> Outcome {
    let mut setup = server.scope.open()?.register()?;
    setup.run(server.trial.point("authenticate")).await?;
    stream_with_heartbeat(&server, setup, &client).await
}

/// Goes live with a heartbeat that ends with the connection.
pub(super) async fn stream_with_heartbeat(
    server: &on_hangup::Server,
    setup: Registering,
    client: &Client,
) -> Outcome {
    let live = setup.go_live()?;
    let heartbeat = beats(server.trial.timer("heartbeat"), || ());
    server.trial.spawn(live.track(heartbeat));
    client.respond(live.stream(pending::<()>())).await;
    Ok(())
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(2, handler)
}
