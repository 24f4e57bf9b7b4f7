//! The removal needs an await, so `Drop` spawns it.

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
    let worker = server.workers.add("ada");
    let _removal = OnDrop(|| {
        let ByHand { trial, workers } = server.clone();
        server.trial.spawn(async move {
            trial.point("lock the workers").await;
            workers.remove(worker);
        });
    });
    server.trial.point("authenticate").await;
    client.respond(pending::<()>()).await;
}

pub(super) fn by_hand() -> Report {
    let server = |trial: &Trial| ByHand {
        trial: trial.clone(),
        workers: Shelf::default(),
    };
    abort_everywhere(server, handler_by_hand)
        .entry("workers", |server| server.workers.len() > 0)
        .shutdown(|_| async {})
        .explore()
        .unwrap()
}

async fn handler(server: on_hangup::Server, client: Client) -> Outcome {
    let mut setup = server.scope.open()?.register()?;
    setup.join(&server.workers, "ada", ())?;
    let (spawner, trial) = (server.trial.clone(), server.trial.clone());
    let tell = move || async move { trial.point("tell the others").await };
    setup.on_close_spawn("tell", move |undo| spawner.spawn(undo), tell);
    setup.run(server.trial.point("authenticate")).await?;
    let live = setup.go_live()?;
    client.respond(live.stream(pending::<()>())).await;
    Ok(())
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(2, handler)
}
