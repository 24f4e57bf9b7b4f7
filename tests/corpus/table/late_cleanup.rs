//! The writer is added after the awaits, and its removal subscribed after that.

use futures::stream::pending;
use hangup::testing::{Client, Report, Trial, abort_everywhere};

use super::fake::{Shelf, request_signal};
use super::on_hangup::{self, Outcome, abort_on};

#[derive(Clone)]
struct ByHand {
    trial: Trial,
    writers: Shelf,
}

async fn handler_by_hand(server: ByHand, client: Client) {
    let (aborted, _request) = request_signal(&client);
    server.trial.point("authenticate").await;
    server.trial.point("load the backlog").await;
    let (writers, writer) = (server.writers.clone(), server.writers.add("ada"));
    aborted.listen(move || writers.remove(writer));
    client.respond(pending::<()>()).await;
}

pub(super) fn by_hand() -> Report {
    let server = |trial: &Trial| ByHand {
        trial: trial.clone(),
        writers: Shelf::default(),
    };
    abort_everywhere(server, handler_by_hand)
        .resource("writers", |server| server.writers.len())
        .explore()
        .unwrap()
}

async fn handler(server: on_hangup::Server, client: Client) -> Outcome {
    let opened = server.scope.open()?;
    abort_on(&client, &opened.handle());
    let mut setup = opened.register()?;
    setup.join(&server.workers, "ada", ())?;
    setup.run(server.trial.point("authenticate")).await?;
    setup.run(server.trial.point("load the backlog")).await?;
    let live = setup.go_live()?;
    client.live();
    client.respond(live.stream(pending::<()>())).await;
    Ok(())
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(2, handler)
}
