//! A newcomer takes the entry over. The loop of the old connection looks at its request
//! alone, so it keeps the old connection open for ever.

use futures::stream::pending;
use hangup_test::{Client, Report, abort_everywhere};

use super::fake::{OnDrop, Server, request_signal};
use super::on_hangup::{self, Outcome};

async fn handler_by_hand(server: Server, client: Client) {
    let (aborted, _request) = request_signal(&client);
    server.trial.point("authenticate").await;
    let connection = server.connections.replace("ada");
    let _removal = OnDrop(|| server.connections.remove(connection));
    client.live();
    let mut keep_open = server.trial.timer("keep open");
    while !aborted.has_fired() {
        keep_open.tick().await;
    }
}

pub(super) fn by_hand() -> Report {
    abort_everywhere(Server::new, handler_by_hand)
        .resource("connections", |server| server.connections.len())
        .one_per_key()
        .explore()
        .unwrap()
}

async fn handler(server: on_hangup::Server, client: Client) -> Outcome {
    let signal = client.signal();
    let opened = server.scope.open()?;
    let mut setup = opened
        .abort_on(async move { signal.fired().await })?
        .register()?;
    setup.run(server.trial.point("authenticate")).await?;
    setup.join(&server.workers, "ada", ())?;
    let live = setup.go_live()?;
    client.live();
    client.respond(live.stream(pending::<()>())).await;
    Ok(())
}

pub(super) fn on_hangup() -> Report {
    on_hangup::exploration(2, handler)
        .one_per_key()
        .explore()
        .unwrap()
}
