//! The cleanup is registered first and runs once. The set-up continues after it has run,
//! and takes effect later.

use futures::stream::pending;
use hangup_test::{Client, Report, Trial, abort_everywhere};

use super::fake::{Router, Shelf, request_signal};
use super::on_hangup::{self, Outcome, register, stream};

#[derive(Clone)]
struct ByHand {
    trial: Trial,
    workers: Shelf,
    router: Router,
}

async fn handler_by_hand(server: ByHand, client: Client) {
    let (aborted, _request) = request_signal(&client);
    if aborted.has_fired() {
        return;
    }
    let worker = server.workers.replace("ada");
    let cleanup = server.clone();
    aborted.listen(move || {
        if cleanup.workers.has(worker) {
            cleanup.workers.remove(worker);
            let router = cleanup.router.clone();
            cleanup.trial.spawn(async move { router.pause().await });
        }
    });
    server.router.register().await;
    server.router.resume().await;
    client.respond(pending::<()>()).await;
}

pub(super) fn by_hand() -> Report {
    let server = |trial: &Trial| ByHand {
        trial: trial.clone(),
        workers: Shelf::default(),
        router: Router(trial.clone()),
    };
    abort_everywhere(server, handler_by_hand)
        .resource("workers", |server| server.workers.len())
        .explore()
        .unwrap()
}

async fn handler(server: on_hangup::Server, client: Client) -> Outcome {
    let mut setup = register(&server, &client)?;
    setup.take_over(&server.workers, "ada", ()).await?;
    let router = server.router.clone();
    let pause = move || async move { router.pause().await };
    let register = setup.run(server.router.register());
    register.undo_async("pause", pause).await?;
    setup.run(server.router.resume()).await?;
    stream(setup, &client).await
}

pub(super) fn on_hangup() -> Report {
    on_hangup::explore(2, handler)
}
