//! The writer is added after the awaits, and its removal is registered after that.

use futures::stream::pending;
use hangup_test::{Client, Report};

use super::fake::{self, request_signal};
use super::on_hangup::{self, Outcome, register, stream};

async fn handler_by_hand(server: fake::Server, client: Client) {
    let (aborted, _request) = request_signal(&client);
    server.trial.point("authenticate").await;
    server.trial.point("load the backlog").await;
    let (writers, writer) = (server.connections.clone(), server.connections.add("ada"));
    aborted.listen(move || writers.remove(writer));
    client.respond(pending::<()>()).await;
}

pub(super) fn by_hand() -> Report {
    fake::explore(handler_by_hand)
}

async fn handler(server: on_hangup::Server, client: Client) -> Outcome {
    let mut setup = register(&server, &client)?;
    setup.join(&server.workers, "ada", ())?;
    setup.run(server.trial.point("authenticate")).await?;
    setup.run(server.trial.point("load the backlog")).await?;
    stream(setup, &client).await
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(2, handler)
}
