//! The end of the old connection removes whichever entry is under its key.

use futures::stream::pending;
use hangup_test::{Client, Report, abort_everywhere};

use super::fake::{self, OnDrop};
use super::on_hangup;

async fn handler_by_hand(server: fake::Server, client: Client) {
    server.trial.point("authenticate").await;
    server.connections.replace("ada");
    let _removal = OnDrop(|| server.connections.remove_all("ada"));
    client.respond(pending::<()>()).await;
}

pub(super) fn by_hand() -> Report {
    abort_everywhere(fake::Server::new, handler_by_hand)
        .entry("workers", |server| server.connections.len() > 0)
        .explore()
        .unwrap()
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(2, on_hangup::worker)
}
