//! A gateway whose streams run on `hangup`: workers, one stream each, agents with several
//! streams each, and what an upstream streams.
//!
//! `cargo run -p gateway`, and try what the README lists. `--addr` or
//! `ADDR` gives another address than 127.0.0.1:3000; port 0 takes a free one.
//! `--max-connections` caps the streams of all kinds together; `--heartbeat`, `--stall`,
//! `--max-age` and `--request` are in seconds; `--agents` says which agents may stream. `--undo`
//! and `--drain` are how long an undo and a shutdown may take. With `--console` there is a live
//! page at `/console`, for browsers on this machine. With the feature `cluster` and `--cluster`
//! it is one of several nodes.
//!
//! It keeps no books: who is connected, who may connect, who is told what and when
//! all are gone is asked of the scope and the registries. It has no cleanup but undos, no
//! timer but heartbeats, no queue but a log of messages, and no task of its own.

use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::Uri;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use bytes::Bytes;
use futures::stream;
use futures::{Stream, StreamExt};
use hangup::observers::MetricsObserver;
use hangup::runtime::shutdown_signal;
use hangup::topic::{EventBody, Retention, SseEvent, Topic, Topics};
use hangup::{CloseReason, Conflict, End, Live, LiveStream, Registry, Scope};
use hangup_console::{Console, ConsoleObserver};
use http_body_util::BodyExt;
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use alive::Alive;
use job_router::JobRouter;
use permissions::Permissions;
use problem::Problem;
use settings::{Settings, USAGE};

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
mod worker;
mod agents;
mod stats;
#[cfg(feature = "cluster")]
pub(crate) mod cluster;

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
        #[cfg(feature = "cluster")]
        if let Some(address) = &settings.cluster.engine {
            let engine = address.connect(settings.cluster.lease).await?;
            return cluster::serve(listener, &settings, engine, signal).await;
        }
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
    serve_on(listener, settings, gateway, on_one_node(), shutdown).await;
    Ok(())
}

/// Serves these routes, and those that are the same on each node.
async fn serve_on(
    listener: TcpListener,
    settings: &Settings,
    gateway: Gateway,
    routes_of_streams: Router<Gateway>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let scope = gateway.scope.clone();
    let drained = scope.drain_after(shutdown, settings.drain);
    let drained = drained.on_report(|report| {
        println!(
            "{} streams closed, {} by force",
            report.closed, report.forced
        );
        for abandoned in report.abandoned {
            println!("abandoned: {}", abandoned.undo);
        }
    });
    let routes = routes(gateway, routes_of_streams);
    let served = transport::serve(listener, routes, settings, drained);
    let server = async {
        tokio::select! {
            () = served => {}
            () = scrape::record() => {}
        }
    };
    // A client that does not read its farewell is not waited for.
    let _: Option<()> = scope.serve(server).grace(SHUTDOWN_GRACE).await;
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
        let source = connected(&live, source);
        self.respond(live.stream(source))
    }

    /// Sends what a connection streams, with heartbeats between, and `closed` in the end.
    fn respond<S>(&self, events: LiveStream<S>) -> Response
    where
        S: Stream<Item = Bytes> + Send + 'static,
    {
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
        let events = events
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

/// `source` after the event `connected`.
fn connected<S: Stream<Item = Bytes>>(
    live: &Live,
    source: S,
) -> impl Stream<Item = Bytes> + use<S> {
    let connected = SseEvent::new("connected").data(&live.id().to_string());
    stream::once(async { connected.into_bytes() }).chain(source)
}

/// The routes of workers and agents, and what is known of them, on a node that is alone.
fn on_one_node() -> Router<Gateway> {
    Router::new()
        .route("/worker/stream", no_head("GET", get(worker::stream)))
        .route("/agents/{id}/events", no_head("GET", get(agents::events)))
        .route("/agents/{id}/messages", post(agents::send_message))
        .route("/agents/{id}", get(agents::agent).delete(agents::delete))
        .route("/stats", get(stats::stats))
}

fn routes(gateway: Gateway, routes_of_streams: Router<Gateway>) -> Router {
    let routes = match &gateway.console {
        Some(console) => Router::new().nest_service("/console", console.service()),
        None => Router::new(),
    };
    routes
        .merge(routes_of_streams)
        .route(
            "/mcp",
            no_head("GET,DELETE", get(mcp).delete(restart_upstream)),
        )
        .route(upstream::PATH, get(upstream::serve))
        .route("/metrics", get(scrape::metrics))
        .fallback(async |uri: Uri| Problem::NoRoute(uri.path().to_owned()))
        .method_not_allowed_fallback(async || Problem::WrongMethod)
        .with_state(gateway)
}

/// axum answers `HEAD` by the handler of `GET`, which would do the set-up, and supersede the
/// connection that is there, for nothing. It also lists `HEAD` as allowed wherever `GET` is, so
/// every other method that is refused here is told what to `allow` as well.
fn no_head<S>(allow: &'static str, route: MethodRouter<S>) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
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
