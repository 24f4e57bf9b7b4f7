//! The abort handler is registered after the writer is added and its backlog is written.

use futures::StreamExt;
use futures::stream::pending;
use hangup::topic::Replay;
use hangup_test::{Client, Report};

use super::fake::{self, request_signal};
use super::on_hangup::{self, Outcome, register};

async fn handler_by_hand(server: fake::Server, client: Client) {
    let (aborted, _request) = request_signal(&client);
    if aborted.has_fired() {
        return;
    }
    let (writers, writer) = (server.connections.clone(), server.connections.add("ada"));
    server.trial.point("write the backlog").await;
    aborted.listen(move || writers.remove(writer));
    client.respond(pending::<()>()).await;
}

pub(super) fn by_hand() -> Report {
    fake::explore(handler_by_hand)
}

async fn handler(server: on_hangup::Server, client: Client) -> Outcome {
    let mut setup = register(&server, &client)?;
    setup.join(&server.workers, "ada", ())?;
    let backlog = server.log.topic.subscribe(Replay::All);
    setup.run(server.trial.point("write the head")).await?;
    let live = setup.go_live()?;
    client.live();
    let seen = client.clone();
    let items = backlog.map(|item| *item.expect("all items are retained"));
    let items = items.inspect(move |item| seen.delivered(*item));
    client.respond(live.stream(items)).await;
    Ok(())
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(2, handler)
}
