//! The old connection's end removes whatever is under its key.

use futures::stream::pending;
use hangup::testing::{Client, Report, Trial, abort_everywhere};

use super::fake::{OnDrop, Shelf};
use super::on_hangup::{self, Outcome};

#[derive(Clone)]
struct ByHand {
    trial: Trial,
    workers: Shelf,
}

async fn handler_by_hand(server: ByHand, client: Client) {
    server.trial.point("authenticate").await;
    server.workers.replace("ada");
    let _removal = OnDrop(|| server.workers.remove_all("ada"));
    client.respond(pending::<()>()).await;
}

pub(super) fn by_hand() -> Report {
    let server = |trial: &Trial| ByHand {
        trial: trial.clone(),
        workers: Shelf::default(),
    };
    abort_everywhere(server, handler_by_hand)
        .entry("workers", |server| server.workers.len() > 0)
        .explore()
        .unwrap()
}

async fn handler(server: on_hangup::Server, client: Client) -> Outcome {
    let mut setup = server.scope.open()?.register()?;
    setup.run(server.trial.point("authenticate")).await?;
    setup.join(&server.workers, "ada", ())?;
    let live = setup.go_live()?;
    client.live();
    client.respond(live.stream(pending::<()>())).await;
    Ok(())
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(2, handler)
}
