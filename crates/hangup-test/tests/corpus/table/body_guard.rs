//! The guard is created by the first poll of the body, which may never happen.

use futures::stream::{self, StreamExt, pending};
use hangup_test::{Client, Report};

use super::fake::{self, OnDrop};
use super::on_hangup;

async fn handler_by_hand(server: fake::Server, client: Client) {
    server.trial.point("authenticate").await;
    let worker = server.connections.add("ada");
    let body = stream::once(async move {
        let removal = OnDrop(move || server.connections.remove(worker));
        pending::<()>().map(move |item| (item, &removal).0)
    });
    client.respond(body.flatten()).await;
}

pub(super) fn by_hand() -> Report {
    fake::explore(handler_by_hand)
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(2, on_hangup::worker)
}
