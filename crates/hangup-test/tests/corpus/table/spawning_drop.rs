//! The removal needs an `await`, so `Drop` spawns it.

use futures::stream::pending;
use hangup_test::{Client, Report, abort_everywhere};

use super::fake::{self, OnDrop};
use super::on_hangup::{self, Outcome, stream};

async fn handler_by_hand(server: fake::Server, client: Client) {
    let worker = server.connections.add("ada");
    let _removal = OnDrop(|| {
        let fake::Server { trial, connections } = server.clone();
        server.trial.spawn(async move {
            trial.point("lock the workers").await;
            connections.remove(worker);
        });
    });
    server.trial.point("authenticate").await;
    client.respond(pending::<()>()).await;
}

pub(super) fn by_hand() -> Report {
    abort_everywhere(fake::Server::new, handler_by_hand)
        .entry("workers", |server| server.connections.len() > 0)
        .shutdown(|_| async {})
        .explore()
        .unwrap()
}

async fn handler(server: on_hangup::Server, client: Client) -> Outcome {
    let mut setup = server.scope.open()?.register()?;
    setup.join(&server.workers, "ada", ())?;
    let trial = server.trial.clone();
    let tell = move || async move { trial.point("tell the others").await };
    setup.on_close_async("tell", tell)?;
    setup.run(server.trial.point("authenticate")).await?;
    stream(setup, &client).await
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(2, handler)
}
