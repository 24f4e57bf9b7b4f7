//! The permit is a local variable of the handler, and the response does not own it.

use futures::stream::{Stream, pending};
use hangup_test::{Client, Report, Trial, abort_everywhere};

use super::on_hangup::{self, Outcome, stream};

async fn head_by_hand(trial: &Trial) -> impl Stream<Item = ()> + use<> {
    let _permit = trial.ledger().permit("stream permit");
    trial.point("authenticate").await;
    pending()
}

pub(super) fn by_hand() -> Report {
    let handler = |trial: Trial, client: Client| async move {
        let body = head_by_hand(&trial).await;
        client.respond(body).await;
    };
    abort_everywhere(Trial::clone, handler).explore().unwrap()
}

async fn handler(server: on_hangup::Server, client: Client) -> Outcome {
    let mut setup = server.scope.open()?.register()?;
    setup.hold(server.trial.ledger().permit("stream permit"))?;
    setup.run(server.trial.point("authenticate")).await?;
    stream(setup, &client).await
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(2, handler)
}
