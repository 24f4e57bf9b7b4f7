//! A node with the worker route of the gateway, and one fault if it is told: the breaker has to
//! tell it from one without.
//!
//! `faulty-node --addr A --cluster redis://.. --node N --lease S --job-router URL [--fault FAULT]`

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::stream::{self, Stream, StreamExt};
use hangup::runtime::shutdown_signal;
use hangup::topic::{EventBody, SseEvent};
use hangup::{Conflict, Registry, Scope};
use hangup_breaker::http::send;
use hangup_cluster::{Cluster, OnLapse, Predecessor, RegisteringExt};
use hangup_redis::Redis;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It claims nothing, and takes its clock for an epoch.
    Unclaimed,
    /// It acts whether it has its lease or not.
    Ungated,
    /// It hands the key over before its undo has ended.
    Hasty,
}

/// By how much the undos of a hasty one are longer, so that a successor comes before their end,
/// however slow the machine is.
const LONGER_MS: u64 = 2_000;

struct App {
    node: String,
    fault: Option<Fault>,
    scope: Scope,
    workers: Registry<String, ()>,
    cluster: Cluster,
    resource: SocketAddr,
}

#[derive(Deserialize)]
struct Ask {
    name: String,
    work_ms: Option<u64>,
    #[serde(default)]
    undo_ms: u64,
    hold_ms: Option<u64>,
}

type Failed = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Failed> {
    let signal = shutdown_signal()?;
    let lease = argument("--lease")?.parse()?;
    let engine = Redis::connect(argument("--cluster")?).await?;
    let cluster = Cluster::builder(engine)
        .node(argument("--node")?)
        .lease(Duration::from_secs_f64(lease))
        .build()
        .await?;
    let resource = argument("--job-router")?;
    let resource = resource.strip_prefix("http://").ok_or("no URL")?.parse()?;
    let fault = match argument("--fault").as_deref() {
        Ok("unclaimed") => Some(Fault::Unclaimed),
        Ok("ungated") => Some(Fault::Ungated),
        Ok("hasty") => Some(Fault::Hasty),
        Ok(fault) => return Err(format!("no fault is called {fault}").into()),
        Err(_) => None,
    };
    let scope = Scope::new();
    let app = Arc::new(App {
        node: cluster.name().to_owned(),
        fault,
        scope: scope.clone(),
        workers: Registry::builder(Conflict::Replace).build(),
        cluster: cluster.clone(),
        resource,
    });
    let listener = TcpListener::bind(argument("--addr")?).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let routes = Router::new().route("/worker/stream", get(worker));
    let server = axum::serve(listener, routes.with_state(app))
        .with_graceful_shutdown(scope.drain_after(signal, Duration::from_secs(5)));
    server.await?;
    cluster.leave().await;
    Ok(())
}

fn argument(name: &str) -> Result<String, Failed> {
    let mut arguments = std::env::args().skip_while(|it| it != name).skip(1);
    arguments.next().ok_or_else(|| format!("no {name}").into())
}

async fn worker(State(app): State<Arc<App>>, Query(ask): Query<Ask>) -> Response {
    match open(&app, ask).await {
        Ok(response) => response,
        Err(error) => {
            let head = [(RETRY_AFTER, "1")];
            (StatusCode::SERVICE_UNAVAILABLE, head, error.to_string()).into_response()
        }
    }
}

async fn open(app: &Arc<App>, ask: Ask) -> Result<Response, Failed> {
    let name = &ask.name;
    let mut setup = app.scope.open()?.register()?;
    setup.take_over(&app.workers, name.clone(), ()).await?;
    let claim = match app.fault {
        Some(Fault::Unclaimed) => None,
        _ => {
            let hold = ask.hold_ms.map(Duration::from_millis);
            let on_lapse = match (app.fault, hold) {
                (Some(Fault::Ungated), _) => OnLapse::Hold(Duration::from_secs(60)),
                (_, Some(hold)) => OnLapse::Hold(hold),
                (_, None) => OnLapse::Close,
            };
            let claim = setup.claim(&app.cluster.key("worker", name)?);
            Some(claim.on_lapse(on_lapse).await?)
        }
    };
    let (epoch, predecessor) = match &claim {
        Some(claim) => (claim.epoch().to_string(), claim.predecessor()),
        None => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
            (now.as_nanos().to_string(), Predecessor::Settled)
        }
    };
    let (owner, keyed) = (&app.node, format!("key={name}&epoch={epoch}"));
    let (resource, fault) = (app.resource, app.fault);
    let undo_ms = match fault {
        Some(Fault::Hasty) => ask.undo_ms + LONGER_MS,
        _ => ask.undo_ms,
    };
    let leave = format!("/leave?{keyed}&take_ms={undo_ms}");
    setup.on_close_async("leave", move || async move {
        let leaving = async move {
            // It is told by the resource.
            let _ = send(resource, "POST", &leave, &[], "").await;
        };
        match fault {
            Some(Fault::Hasty) => drop(tokio::spawn(leaving)),
            _ => leaving.await,
        }
    })?;
    let told = match predecessor {
        Predecessor::Settled => "settled",
        Predecessor::Unsettled => "unsettled",
    };
    let id = setup.id();
    let enter = format!("/enter?{keyed}&owner={owner}%2F{id}&predecessor={told}");
    let entered = setup.run(send(resource, "POST", &enter, &[], "")).await??;
    if !entered.status.is_success() {
        return Err(entered.text().await?.into());
    }
    let live = setup.go_live()?;
    let connected = SseEvent::new("connected").data(&id.to_string());
    let write = format!("/write?{keyed}");
    let acts = stream::once(async { connected.into_bytes() }).chain(acts(ask, resource, write));
    let farewell = |end: hangup::End| {
        let event = SseEvent::new("closed").data(&end.to_string());
        Some(event.into_bytes())
    };
    let head = [(CONTENT_TYPE, "text/event-stream")];
    let body = match claim.filter(|_| fault != Some(Fault::Ungated)) {
        Some(claim) => {
            let events = live.stream(acts).gate(claim.gate()).farewell(farewell);
            Body::new(EventBody::new(events))
        }
        None => Body::new(EventBody::new(live.stream(acts).farewell(farewell))),
    };
    Ok((head, body).into_response())
}

/// Each act begins in a poll, so that the gate decides.
fn acts(
    ask: Ask,
    resource: SocketAddr,
    write: String,
) -> impl Stream<Item = bytes::Bytes> + Send + 'static {
    let Some(work) = ask.work_ms else {
        return stream::pending().left_stream();
    };
    let mut ticks = interval(Duration::from_millis(work.max(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let acts = stream::unfold(ticks, move |mut ticks| {
        let write = write.clone();
        async move {
            ticks.tick().await;
            tokio::spawn(async move { drop(send(resource, "POST", &write, &[], "").await) });
            Some((SseEvent::new("job").data("done").into_bytes(), ticks))
        }
    });
    acts.right_stream()
}
