//! A gateway whose streams run on `hangup`: workers, one stream each, agents with several
//! streams each, and what an upstream streams.
//!
//! `cargo run -p gateway`, and try what the README lists. `--addr` or
//! `ADDR` gives another address than 127.0.0.1:3000; port 0 takes a free one.
//! `--max-connections` caps the streams of all kinds together; `--heartbeat`, `--stall`,
//! `--max-age` and `--request` are in seconds; `--agents` says which agents may stream. With
//! `--console` there is a live page at `/console`, for browsers on this machine.
//!
//! It keeps no books: who is connected, who may connect, who is told what and when
//! all are gone is asked of the scope and the registries. It has no cleanup but undos, no
//! timer but heartbeats, no queue but a log of messages, and no task of its own.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use bytes::Bytes;
use futures::stream;
use futures::{Stream, StreamExt};
use hangup::observers::MetricsObserver;
use hangup::runtime::shutdown_signal;
use hangup::topic::{EventBody, Gap, Replay, Retention, SseEvent, Topic, Topics};
use hangup::{CloseReason, Closed, Conflict, End, Live, Registry, Scope};
use hangup_console::{Console, ConsoleObserver};
use http_body_util::BodyExt;
use hyper::body::Frame;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use alive::Alive;
use job_router::JobRouter;
use names::AgentId;
use permissions::Permissions;
use problem::Problem;
use settings::{Settings, USAGE};
use transport::Timely;

mod alive;
mod job_router;
mod operator;
mod permissions;
mod upstream;
mod problem;
mod names;
mod scrape;
pub(crate) mod settings;
mod transport;

const MAX_STREAMS_PER_AGENT: usize = 5;
const MAX_SETUP_MS: u64 = 10_000;
/// What is kept of the messages to an agent, for streams that come back and for slow readers.
const MESSAGES: usize = 1000;
const RETENTION: Retention = Retention::items(MESSAGES)
    .bytes(4 << 20)
    .age(Duration::from_secs(300));
/// For how many agents messages are kept.
const MAX_TOPICS: usize = 1000;
/// The clients of a gateway that shuts down come back after a time between these.
const RETRY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// How long a reconnect waits until the old connection is undone.
const TAKE_OVER_DEADLINE: Duration = Duration::from_secs(5);
/// For how many agents it is known why the last stream ended.
const REMEMBERED_AGENTS: usize = 1000;
/// What an undo that hangs can cost a shutdown.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);
/// After this a connection that has not settled is told to the observers.
const UNSETTLED: Duration = Duration::from_secs(30);
/// What a client that does not read its farewell can cost it.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// Our own code for streams that `DELETE` ends.
const DELETED: CloseReason = CloseReason::App(1);

#[tokio::main]
async fn main() -> ExitCode {
    let args = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    let settings = match Settings::parse(args.skip(1), std::env::var("ADDR").ok()) {
        Ok(settings) => settings,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let served = async {
        // Before the line that says that it listens: a signal that follows it drains.
        let signal = shutdown_signal()?;
        let listener = TcpListener::bind(&settings.addr).await?;
        println!("listening on http://{}", listener.local_addr()?);
        serve(listener, &settings, signal).await
    };
    match served.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", settings.addr);
            ExitCode::FAILURE
        }
    }
}

/// Serves until `shutdown`, then ends every stream with its farewell.
pub(crate) async fn serve(
    listener: TcpListener,
    settings: &Settings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let gateway = Gateway::new(settings, listener.local_addr()?);
    let scope = gateway.scope.clone();
    let drained = scope.drain_after(shutdown, DRAIN_DEADLINE);
    let drained = drained.on_report(|report| {
        println!(
            "{} streams closed, {} by force",
            report.closed, report.forced
        );
        for abandoned in report.abandoned {
            println!("abandoned: {}", abandoned.undo);
        }
    });
    let served = transport::serve(listener, routes(gateway), settings, drained);
    let server = async {
        tokio::select! {
            () = served => {}
            () = scrape::record() => {}
        }
    };
    // A client that does not read its farewell is not waited for.
    let _: Option<()> = scope.serve(server).grace(SHUTDOWN_GRACE).await;
    Ok(())
}

#[derive(Clone)]
struct Gateway {
    scope: Scope,
    workers: Registry<String, ()>,
    agents: Registry<String, ()>,
    messages: Topics<String, Bytes>,
    router: Arc<JobRouter>,
    permissions: Arc<Permissions>,
    /// How long a request may take to come.
    patience: Duration,
    upstream: SocketAddr,
    /// Changes when the upstream restarts.
    restarts: watch::Sender<()>,
    heartbeat: Duration,
    timers: Alive,
    bridges: Alive,
    console: Option<Console>,
}

impl Gateway {
    fn new(settings: &Settings, upstream: SocketAddr) -> Self {
        let share = Conflict::share(MAX_STREAMS_PER_AGENT);
        let observer = ConsoleObserver::new();
        let scope = Scope::builder()
            .max_connections(settings.max_connections)
            .deadlines(settings.deadlines())
            .sweep_every(settings.sweep_every())
            .clock(Instant::now)
            .unsettled_after(UNSETTLED)
            .observer((observer.clone(), MetricsObserver::of("gateway")))
            .build();
        let console = || operator::console(&scope, &observer, upstream);
        Self {
            console: settings.console.then(console),
            scope,
            workers: Registry::builder(Conflict::Replace).name("workers").build(),
            agents: Registry::builder(share)
                .name("agents")
                .remember_closes(REMEMBERED_AGENTS)
                .build(),
            messages: Topics::builder(Topic::builder(RETENTION).size(Bytes::len))
                .max_topics(MAX_TOPICS)
                .build()
                .unwrap(),
            router: Arc::default(),
            permissions: Arc::new(Permissions::new(settings.agents.clone())),
            patience: settings.request,
            upstream,
            restarts: watch::Sender::new(()),
            heartbeat: settings.heartbeat,
            timers: Alive::default(),
            bridges: Alive::default(),
        }
    }

    /// First `connected`, then `source`, and `closed` in the end.
    fn events(&self, live: Live, source: impl Stream<Item = Bytes> + Send + 'static) -> Response {
        let connected = SseEvent::new("connected").data(&live.id().to_string());
        let source = stream::once(async { connected.into_bytes() }).chain(source);
        let timer = self.timers.guard();
        let heartbeat = move || {
            let _timer = &timer;
            SseEvent::heartbeat("still here").into_bytes()
        };
        let farewell = |end: End| {
            let event = SseEvent::new("closed").data(&end.to_string());
            let [earliest, latest] = RETRY;
            let event = match end.reason() {
                // Not all clients at once.
                CloseReason::Shutdown => event.retry_between(earliest, latest),
                _ => event,
            };
            Some(event.into_bytes())
        };
        let events = live
            .stream(source)
            .flush(MESSAGES)
            .heartbeat(self.heartbeat, heartbeat)
            .unwrap();
        let head = [
            (CONTENT_TYPE, "text/event-stream"),
            (CACHE_CONTROL, "no-cache"),
        ];
        (head, Body::new(EventBody::new(events.farewell(farewell)))).into_response()
    }
}

fn routes(gateway: Gateway) -> Router {
    let routes = match &gateway.console {
        Some(console) => Router::new().nest_service("/console", console.service()),
        None => Router::new(),
    };
    routes
        .route("/worker/stream", no_head("GET", get(worker_stream)))
        .route("/agents/{id}/events", no_head("GET", get(agent_events)))
        .route("/agents/{id}/messages", post(send_message))
        .route("/agents/{id}", get(agent).delete(delete_agent))
        .route(
            "/mcp",
            no_head("GET,DELETE", get(mcp).delete(restart_upstream)),
        )
        .route(upstream::PATH, get(upstream::serve))
        .route("/stats", get(stats))
        .route("/metrics", get(scrape::metrics))
        .fallback(async |uri: Uri| Problem::NoRoute(uri.path().to_owned()))
        .method_not_allowed_fallback(async || Problem::WrongMethod)
        .with_state(gateway)
}

/// axum answers `HEAD` by the handler of `GET`, which would do the set-up, and supersede the
/// connection that is there, for nothing. It also lists `HEAD` as allowed wherever `GET` is, so
/// every other method that is refused here is told what to `allow` as well.
fn no_head(allow: &'static str, route: MethodRouter<Gateway>) -> MethodRouter<Gateway> {
    let refuse = move || ready(([(ALLOW, allow)], Problem::WrongMethod));
    route.head(refuse).fallback(refuse)
}

/// How long each step of a set-up takes.
fn latency(setup_ms: u64) -> Result<Duration, Problem> {
    if setup_ms > MAX_SETUP_MS {
        let problem = format!("`setup_ms` is over {MAX_SETUP_MS}");
        return Err(Problem::BadRequest(problem));
    }
    Ok(Duration::from_millis(setup_ms))
}

#[derive(Deserialize)]
struct WorkerQuery {
    name: String,
    #[serde(default)]
    setup_ms: u64,
}

/// One connection per name: a reconnect replaces the old one, whose undo is over
/// before the new set-up begins.
async fn worker_stream(
    State(gateway): State<Gateway>,
    query: Result<Query<WorkerQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(WorkerQuery { name, setup_ms }) = query?;
    names::check("`name`", &name).map_err(Problem::BadRequest)?;
    let latency = latency(setup_ms)?;
    let router = &gateway.router;

    let mut setup = gateway.scope.open()?.register()?;
    setup.label(format!("worker {name}"));
    setup
        .take_over(&gateway.workers, name.clone(), ())
        .deadline(tokio::time::sleep(TAKE_OVER_DEADLINE))
        .await?;

    // Each undo bears a step that took no effect: the step may be dropped half way.
    setup
        .run(router.pause(&name, latency))
        .undo(router.undo(&name, JobRouter::undo_pause))
        .await?;
    setup
        .run(router.register(&name, latency))
        .undo(router.undo(&name, JobRouter::undo_register))
        .await?;
    // This undo takes its time. A take-over waits for it, and so does a drain.
    let stopping = Arc::clone(router).undo_resume(name.clone());
    setup
        .run(router.resume(&name, latency))
        .undo_async(format!("stop {name}"), || stopping)
        .await?;

    let live = setup.go_live()?;
    Ok(gateway.events(live, stream::pending()))
}

#[derive(Deserialize)]
struct AgentQuery {
    #[serde(default)]
    setup_ms: u64,
    /// For a first connect; a client that reconnects by itself sends a header.
    last_event_id: Option<String>,
}

const LAST_EVENT_ID: &str = "last-event-id";

/// Where a client goes on that has seen the event of this id: at the beginning, if it has none
/// or one that is none of ours.
fn replay(headers: &HeaderMap, query: Option<&str>) -> Replay {
    let header = headers.get(LAST_EVENT_ID).map(|id| id.as_bytes());
    Replay::resume(header.or_else(|| query.map(str::as_bytes)), Replay::All)
}

/// A client that comes back after it was told is not told again.
fn gap_event(gap: Gap) -> Bytes {
    let event = SseEvent::new("gap").id(gap.resume);
    event.data(&gap.to_string()).into_bytes()
}

/// Several streams per agent; each gets every message.
async fn agent_events(
    State(gateway): State<Gateway>,
    AgentId(agent): AgentId,
    headers: HeaderMap,
    query: Result<Query<AgentQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let latency = latency(query.setup_ms)?;
    let replay = replay(&headers, query.last_event_id.as_deref());
    let mut setup = gateway.scope.open()?.register()?;
    setup.label(format!("agent {agent}"));
    setup.join(&gateway.agents, agent.clone(), ())?;
    let messages = gateway.messages.subscribe(&agent, replay)?;
    // Join, then ask. A `DELETE` revokes first and closes then: if it revokes before this asks, the
    // answer is no, and if it revokes after, the stream has joined and is closed. Asked before
    // `join`, an agent that is revoked between the two would go on streaming.
    let permitted = gateway.permissions.permit(&agent, latency);
    if !setup.run(permitted).await? {
        // `Err` if the `DELETE` has closed it.
        let _: Result<(), Closed> = setup.close(CloseReason::Rejected);
        return Err(Problem::Forbidden);
    }
    let live = setup.go_live()?;
    let messages = messages.for_connection(live.handle());
    Ok(gateway.events(live, messages.gap_as(gap_event)))
}

/// What the upstream streams, until either side ends or the upstream restarts.
async fn mcp(
    State(gateway): State<Gateway>,
    query: Result<Query<upstream::Events>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(events) = query?;
    let mut restarts = gateway.restarts.subscribe();
    let bridge = gateway.bridges.guard();
    let restarted = async move {
        let _bridge = bridge;
        // Or the gateway itself is gone.
        drop(restarts.changed().await);
    };
    let mut setup = gateway.scope.open()?.abort_on(restarted)?.register()?;
    setup.label("mcp");
    let answer = upstream::ask(&mut setup, gateway.upstream, events).await?;
    let live = setup.go_live()?;

    let (head, body) = answer.into_parts();
    let timer = gateway.timers.guard();
    let body = live
        .body(body)
        .heartbeat(gateway.heartbeat)
        .unwrap()
        .map_inner(|body| {
            body.map_frame(move |frame| {
                let _timer = &timer;
                frame
            })
        });
    // Between two events; an event that is cut stays cut.
    let farewell = |end: End| format!("event: closed\ndata: {end}\n\n");
    let body = Body::new(body.farewell(move |end| Some(Frame::data(farewell(end).into()))));
    // Only what is about the events: the rest is about the upstream's connection.
    let mut response = (head.status, body).into_response();
    for name in [CONTENT_TYPE, CACHE_CONTROL] {
        if let Some(value) = head.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    Ok(response)
}

async fn restart_upstream(State(gateway): State<Gateway>) -> Json<Value> {
    let proxied = gateway.bridges.count();
    gateway.restarts.send_replace(());
    Json(json!({ "restarted_under": proxied }))
}

async fn send_message(
    State(gateway): State<Gateway>,
    AgentId(agent): AgentId,
    Timely(data): Timely<String>,
) -> Result<Json<Value>, Problem> {
    let message = SseEvent::new("output").data(&data);
    let id = gateway.messages.publish_event(&agent, message)?;
    let streams = gateway.agents.count(&agent);
    Ok(Json(json!({ "id": id.to_string(), "streams": streams })))
}

async fn agent(
    State(gateway): State<Gateway>,
    AgentId(agent): AgentId,
) -> Result<Json<Value>, Problem> {
    match gateway.agents.count(&agent) {
        0 => Err(match gateway.agents.last_close(&agent) {
            Some(closed) => Problem::Gone(closed),
            None => Problem::NoAgent,
        }),
        streams => Ok(Json(json!({ "streams": streams }))),
    }
}

async fn delete_agent(State(gateway): State<Gateway>, AgentId(agent): AgentId) -> Json<Value> {
    gateway.permissions.revoke(&agent);
    // Its streams give their places back at once, and get what was accepted, then `closed`.
    let closed = gateway.agents.close(&agent, DELETED);
    gateway.messages.close(&agent, DELETED);
    Json(json!({ "closed": closed }))
}

async fn stats(State(gateway): State<Gateway>) -> Json<Value> {
    let stats = gateway.scope.stats();
    let mut closed = BTreeMap::<String, u64>::new();
    for (how, count) in &stats.closed {
        *closed.entry(how.reason.to_string()).or_default() += count;
    }
    Json(json!({
        "pending": stats.pending,
        "registering": stats.registering,
        "live": stats.live,
        "settling": stats.settling,
        "closed": closed,
        "workers": gateway.workers.len(),
        "agents": gateway.agents.len(),
        "router": gateway.router.states(),
        "undos_run": stats.undos_run,
        "undos_abandoned": stats.undos_abandoned,
        "timers": gateway.timers.count(),
        "bridges": gateway.bridges.count(),
    }))
}
