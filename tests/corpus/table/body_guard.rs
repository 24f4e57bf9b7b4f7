//! The guard is made by the body's first poll, which may never come.

use futures::stream::{self, StreamExt, pending};
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
    let worker = server.workers.add("ada");
    let body = stream::once(async move {
        let removal = OnDrop(move || server.workers.remove(worker));
        pending::<()>().map(move |item| (item, &removal).0)
    });
    client.respond(body.flatten()).await;
}

pub(super) fn by_hand() -> Report {
    let server = |trial: &Trial| ByHand {
        trial: trial.clone(),
        workers: Shelf::default(),
    };
    abort_everywhere(server, handler_by_hand)
        .resource("workers", |server| server.workers.len())
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
