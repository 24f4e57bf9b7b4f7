//! The cap is checked before an `await` and counted after it.

use futures::stream::pending;
use hangup_test::{Client, Report, abort_everywhere};

use super::fake::{self, OnDrop};
use super::on_hangup::{self, Outcome, stream};

async fn handler_by_hand(server: fake::Server, client: Client) {
    if server.connections.len() >= 1 {
        return;
    }
    server.trial.point("authenticate").await;
    let connection = server.connections.add("ada");
    let _removal = OnDrop(|| server.connections.remove(connection));
    client.respond(pending::<()>()).await;
}

pub(super) fn by_hand() -> Report {
    abort_everywhere(fake::Server::new, handler_by_hand)
        .resource("connections", |server| server.connections.len())
        .at_most(1, "connections")
        .explore()
        .unwrap()
}

async fn handler(server: on_hangup::Server, client: Client) -> Outcome {
    let mut setup = server.scope.open()?.register()?;
    setup.run(server.trial.point("authenticate")).await?;
    stream(setup, &client).await
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(1, handler)
}
