//! A server on `hangup`, with everything that can happen to it.

use std::error::Error;
use std::future::Future;

use futures::stream::pending;
use hangup::topic::{Retention, Topic};
use hangup::{CloseReason, Conflict, Registering, Registry, Scope};
use hangup_test::{AbortEverywhere, Client, Report, Trial, abort_everywhere};

use super::fake::Router;
use super::on_trial::OnTrial;

pub(super) type Outcome = Result<(), Box<dyn Error>>;

#[derive(Clone)]
pub(super) struct Server {
    pub(super) trial: Trial,
    pub(super) scope: Scope,
    pub(super) workers: Registry<&'static str, ()>,
    pub(super) sessions: Registry<u64, ()>,
    pub(super) router: Router,
    pub(super) log: Log,
}

/// The items that every connection receives, numbered from 1.
#[derive(Clone)]
pub(super) struct Log {
    trial: Trial,
    pub(super) topic: Topic<u64>,
}

impl Log {
    fn new(trial: &Trial) -> Self {
        let log = Self {
            trial: trial.clone(),
            topic: Topic::new(Retention::items(100)),
        };
        log.publish();
        log
    }

    fn publish(&self) {
        let number = self.topic.cursor().number() + 1;
        self.trial.ledger().published(number);
        self.topic.publish(number).unwrap();
    }
}

/// Explores `handler` with every ending.
pub(super) fn explore<H, F>(max_connections: usize, handler: H) -> Report
where
    H: Fn(Server, Client) -> F + 'static,
    F: Future<Output = Outcome> + 'static,
{
    exploration(max_connections, handler).explore().unwrap()
}

/// Describes that exploration.
pub(super) fn exploration<H, F>(max_connections: usize, handler: H) -> AbortEverywhere<Server>
where
    H: Fn(Server, Client) -> F + 'static,
    F: Future<Output = Outcome> + 'static,
{
    let server = move |trial: &Trial| Server {
        trial: trial.clone(),
        scope: Scope::builder()
            .max_connections(max_connections)
            .runtime(OnTrial(trial.clone()))
            .build(),
        workers: Registry::new(Conflict::Replace),
        sessions: Registry::new(Conflict::Replace),
        router: Router(trial.clone()),
        log: Log::new(trial),
    };
    abort_everywhere(server, handler)
        .at_most(max_connections, "connections")
        .resource("connections", |server| server.scope.handles().len())
        .entry("workers", |server| server.workers.contains("ada"))
        .entry("sessions", |server| server.sessions.contains(&7))
        .close(|server| async move { server.scope.close_all(CloseReason::Idle) > 0 })
        .shutdown(|server| async move {
            server.scope.begin_drain();
            server.scope.close_all(CloseReason::Shutdown);
            server.scope.drained().await;
        })
        .event("publish", |server| async move { server.log.publish() })
}

/// Goes live and streams until the connection is closed.
pub(super) async fn stream(setup: Registering, client: &Client) -> Outcome {
    let live = setup.go_live()?;
    client.live();
    client.respond(live.stream(pending::<()>())).await;
    Ok(())
}

/// Opens a connection that closes when the signal of its request fires.
pub(super) fn register(server: &Server, client: &Client) -> Result<Registering, Box<dyn Error>> {
    let signal = client.signal();
    let opened = server.scope.open()?;
    let bound = opened.abort_on(async move { signal.fired().await })?;
    Ok(bound.register()?)
}

/// One worker per name, visible while it is live.
pub(super) async fn worker(server: Server, client: Client) -> Outcome {
    let mut setup = server.scope.open()?.register()?;
    setup.run(server.trial.point("authenticate")).await?;
    setup.join(&server.workers, "ada", ())?;
    stream(setup, &client).await
}
