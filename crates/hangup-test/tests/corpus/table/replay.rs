//! The handler sends the backlog and then subscribes, with an `await` between the two.

use futures::stream::{self, StreamExt};
use hangup::topic::Replay;
use hangup_test::{Client, Report, Trial, abort_everywhere};

use super::fake::Log;
use super::on_hangup::{self, Outcome};

#[derive(Clone)]
struct ByHand {
    trial: Trial,
    log: Log,
}

async fn handler_with_a_gap(server: ByHand, client: Client) {
    let backlog = server.log.replay();
    server.trial.point("write the head").await;
    let items = stream::iter(backlog).chain(server.log.subscribe());
    let seen = client.clone();
    client
        .respond(items.inspect(move |item| seen.delivered(*item)))
        .await;
}

async fn handler_with_duplicates(server: ByHand, client: Client) {
    let new = server.log.subscribe();
    server.trial.point("open the log").await;
    let items = stream::iter(server.log.replay()).chain(new);
    let seen = client.clone();
    client
        .respond(items.inspect(move |item| seen.delivered(*item)))
        .await;
}

pub(super) fn by_hand_with_a_gap() -> Report {
    abort_everywhere(server_by_hand, handler_with_a_gap)
        .event("publish", |server| async move { server.log.publish() })
        .explore()
        .unwrap()
}

pub(super) fn by_hand_with_duplicates() -> Report {
    abort_everywhere(server_by_hand, handler_with_duplicates)
        .event("publish", |server| async move { server.log.publish() })
        .explore()
        .unwrap()
}

fn server_by_hand(trial: &Trial) -> ByHand {
    ByHand {
        trial: trial.clone(),
        log: Log::new(trial),
    }
}

async fn handler(server: on_hangup::Server, client: Client) -> Outcome {
    let mut setup = server.scope.open()?.register()?;
    setup.run(server.trial.point("write the head")).await?;
    let live = setup.go_live()?;
    let seen = client.clone();
    let items = server.log.topic.subscribe(Replay::All);
    let items = items.map(|item| *item.expect("all items are retained"));
    let items = live.stream(items.inspect(move |item| seen.delivered(*item)));
    client.respond(items).await;
    Ok(())
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(2, handler)
}
