//! Workers: one connection per name among all nodes.

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use bytes::Bytes;
use futures::future::Either;
use futures::{Stream, stream};
use hangup::topic::SseEvent;
use hangup::{CloseReason, Closed, Handle, Registering};
use hangup_cluster::{Claim, OnLapse, RegisteringExt};
use serde::Deserialize;
use tokio::time::sleep;

use super::super::problem::Problem;
use super::super::{TAKE_OVER_DEADLINE, connected, latency, names, worker};
use super::job_router::{Owner, RouterError};
use super::member::Member;
use super::refusal::Refusal;

/// Longer than any undo is given.
const MAX_MS: u64 = 60_000;

#[derive(Deserialize)]
pub(crate) struct WorkerQuery {
    name: String,
    #[serde(default)]
    setup_ms: u64,
    /// How often it acts; without it, never.
    work_ms: Option<u64>,
    /// How long its undo takes.
    #[serde(default)]
    undo_ms: u64,
    /// How long it is held, silent, while its node has no lease; without it, it closes.
    hold_ms: Option<u64>,
}

/// As on one node, and the old connection may be on another one.
pub(crate) async fn stream(
    State(member): State<Member>,
    query: Result<Query<WorkerQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let name = query.name;
    names::check("`name`", &name).map_err(Problem::BadRequest)?;
    let latency = latency(query.setup_ms)?;
    let undo = milliseconds("undo_ms", query.undo_ms)?;
    let work = query.work_ms.map(|ms| milliseconds("work_ms", ms));
    let work = work.transpose()?;
    let hold = query.hold_ms.map(|ms| milliseconds("hold_ms", ms));
    let on_lapse = hold.transpose()?.map_or(OnLapse::Close, OnLapse::Hold);

    let Member {
        gateway, cluster, ..
    } = &member;
    let key = cluster.key("worker", &name).map_err(Refusal::from)?;
    // Before the old connection on this node is closed for nothing.
    member.check_lease()?;
    let mut setup = gateway.scope.open()?.register()?;
    setup.label(format!("worker {name}"));
    setup
        .take_over(&gateway.workers, name.clone(), ())
        .deadline(sleep(TAKE_OVER_DEADLINE))
        .await?;
    let claiming = setup.claim(&key).on_lapse(on_lapse);
    let claim = claiming.deadline(member.patience).await;
    let claim = claim.map_err(Refusal::from)?;

    let owner = member.job_router.as_ref();
    let owner = owner.map(|router| router.owner(&name, claim.epoch()));
    match &owner {
        Some(owner) => {
            let by = format!("{}/{}", cluster.name(), setup.id());
            enter(&mut setup, owner, &by, &claim, latency, undo).await?;
        }
        None => {
            setup.on_close_async("the end of the last job", move || sleep(undo))?;
            worker::set_up(&mut setup, &gateway.router, &name, latency).await?;
        }
    }

    let live = setup.go_live()?;
    let jobs = match work {
        Some(every) => Either::Left(jobs(owner, every, live.handle())),
        None => Either::Right(stream::pending()),
    };
    let events = connected(&live, jobs);
    // Silent while another node may own the name.
    let events = live.stream(events).gate(claim.gate());
    Ok(gateway.respond(events))
}

/// The set-up and its undo, each under the claim's epoch: the router refuses them if there is a
/// successor.
async fn enter(
    setup: &mut Registering,
    owner: &Owner,
    by: &str,
    claim: &Claim,
    latency: Duration,
    undo: Duration,
) -> Result<(), Problem> {
    let entering = async {
        sleep(latency).await;
        owner.enter(by, claim.predecessor()).await
    };
    let (leaving, by) = (owner.clone(), by.to_owned());
    let leave = move || async move {
        if let Err(error) = leaving.leave(undo).await {
            eprintln!("{by} has not left the job router: {error}");
        }
    };
    let entered = setup
        .run(entering)
        .undo_async("leave the job router", leave);
    Ok(entered.await?.map_err(Refusal::from)?)
}

/// The acts of a worker. Each begins in a poll of the stream, which its gate has let pass.
fn jobs(
    owner: Option<Owner>,
    every: Duration,
    connection: Handle,
) -> impl Stream<Item = Bytes> + Send + 'static {
    let act = move |number: u64| {
        let (owner, connection) = (owner.clone(), connection.clone());
        async move {
            sleep(every).await;
            let written = match owner {
                Some(owner) => owner.write().await,
                None => Ok(()),
            };
            let job = match written {
                Ok(()) => SseEvent::new("job").data(&number.to_string()),
                Err(error) => {
                    if matches!(error, RouterError::Fenced) {
                        // `Err` if it has closed already.
                        let _: Result<(), Closed> = connection.close(CloseReason::Lost);
                    }
                    SseEvent::new("refused").data(&error.to_string())
                }
            };
            Some((job.into_bytes(), number + 1))
        }
    };
    stream::unfold(1, act)
}

fn milliseconds(what: &str, value: u64) -> Result<Duration, Problem> {
    if value > MAX_MS {
        let problem = format!("`{what}` is over {MAX_MS}");
        return Err(Problem::BadRequest(problem));
    }
    Ok(Duration::from_millis(value))
}
