//! Workers: one connection per name.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use futures::stream::pending;
use hangup::{Closed, Registering};
use serde::Deserialize;

use super::job_router::JobRouter;
use super::problem::Problem;
use super::{Gateway, TAKE_OVER_DEADLINE, latency, names};

#[derive(Deserialize)]
pub(crate) struct WorkerQuery {
    name: String,
    #[serde(default)]
    setup_ms: u64,
}

/// One connection per name: a reconnect replaces the old one, whose undo is over
/// before the new set-up begins.
pub(crate) async fn stream(
    State(gateway): State<Gateway>,
    query: Result<Query<WorkerQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(WorkerQuery { name, setup_ms }) = query?;
    names::check("`name`", &name).map_err(Problem::BadRequest)?;
    let latency = latency(setup_ms)?;

    let mut setup = gateway.scope.open()?.register()?;
    setup.label(format!("worker {name}"));
    setup
        .take_over(&gateway.workers, name.clone(), ())
        .deadline(tokio::time::sleep(TAKE_OVER_DEADLINE))
        .await?;

    set_up(&mut setup, &gateway.router, &name, latency).await?;
    let live = setup.go_live()?;
    Ok(gateway.events(live, pending()))
}

/// Lets jobs flow to the worker, in three steps.
pub(crate) async fn set_up(
    setup: &mut Registering,
    router: &Arc<JobRouter>,
    name: &str,
    latency: Duration,
) -> Result<(), Closed> {
    // Each undo bears a step that took no effect: the step may be dropped half way.
    setup
        .run(router.pause(name, latency))
        .undo(router.undo(name, JobRouter::undo_pause))
        .await?;
    setup
        .run(router.register(name, latency))
        .undo(router.undo(name, JobRouter::undo_register))
        .await?;
    // This undo takes its time. A take-over waits for it, and so does a drain.
    let stopping = Arc::clone(router).undo_resume(name.to_owned());
    setup
        .run(router.resume(name, latency))
        .undo_async(format!("stop {name}"), || stopping)
        .await
}
