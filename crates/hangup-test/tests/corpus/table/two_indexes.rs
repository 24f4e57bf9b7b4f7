//! The entry is added under two locks, with an `await` between them.

use std::pin::pin;

use futures::future::select;
use futures::stream::pending;
use hangup_test::{Client, Report, Signal, Trial, abort_everywhere};

use super::fake::Shelf;
use super::on_hangup::{self, Outcome, stream};

#[derive(Clone)]
struct ByHand {
    trial: Trial,
    by_name: Shelf,
    by_session: Shelf,
    closed: Signal,
}

async fn handler_by_hand(server: ByHand, client: Client) {
    server.trial.point("authenticate").await;
    let name = server.by_name.add("ada");
    let session = server.by_session.add("ada");
    let body = pin!(client.respond(pending::<()>()));
    select(body, server.closed.fired()).await;
    server.by_name.remove(name);
    server.trial.point("lock the sessions").await;
    server.by_session.remove(session);
}

pub(super) fn by_hand() -> Report {
    let server = |trial: &Trial| ByHand {
        trial: trial.clone(),
        by_name: Shelf::default(),
        by_session: Shelf::default(),
        closed: Signal::new(),
    };
    abort_everywhere(server, handler_by_hand)
        .entry("by name", |server| server.by_name.len() > 0)
        .entry("by session", |server| server.by_session.len() > 0)
        .close(|server| async move {
            server.closed.fire();
            server.by_name.len() > 0
        })
        .explore()
        .unwrap()
}

async fn handler(server: on_hangup::Server, client: Client) -> Outcome {
    let mut setup = server.scope.open()?.register()?;
    setup.run(server.trial.point("authenticate")).await?;
    setup.join(&server.workers, "ada", ())?;
    setup.run(server.trial.point("choose a session")).await?;
    setup.join(&server.sessions, 7, ())?;
    stream(setup, &client).await
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(2, handler)
}
