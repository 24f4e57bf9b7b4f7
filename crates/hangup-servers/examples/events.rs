//! A server whose clients lose their connection all the time, and come back by themselves.
//!
//! `events ADDR FIRST COUNT` publishes so many numbers from `FIRST` on, once a client has come.
//! `ci/browsers` starts it, and drives it with real clients.
//!
//! The numbers are served twice: `/events` has events that are encoded once for all, and `/sse`
//! has strings, of which axum's `Sse` makes events for each client.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::sse::{Event, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures::{Stream, StreamExt, future, stream};
use hangup::Scope;
use hangup::topic::{EventBody, Gap, Published, Replay, Retention, SseEvent, Topic};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// How long a client waits before it comes back.
const RETRY: Duration = Duration::from_millis(10);
/// The most bytes of a response, of which an event takes about fifty.
const MOST: u64 = 6000;

#[derive(Clone)]
struct App {
    scope: Scope,
    events: Topic<Bytes>,
    texts: Topic<String>,
    begin: Arc<Notify>,
    count: u64,
    /// How often clients came before all was published.
    connections: Arc<AtomicU64>,
    /// What each client says in the end.
    results: Arc<Mutex<BTreeMap<String, String>>>,
}

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [addr, first, count] = &arguments[..] else {
        panic!("usage: events ADDR FIRST COUNT");
    };
    let (first, count): (u64, u64) = (first.parse().unwrap(), count.parse().unwrap());
    // The last one is the end.
    let retention = Retention::items(usize::try_from(count).unwrap() + 1);
    let app = App {
        scope: Scope::new(),
        events: Topic::new(retention),
        texts: Topic::new(retention),
        begin: Arc::default(),
        count,
        connections: Arc::default(),
        results: Arc::default(),
    };
    let listener = TcpListener::bind(addr).await.unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    tokio::spawn(publish(app.clone(), first));
    let routes = Router::new()
        .route("/events", get(encoded))
        .route("/sse", get(by_axum))
        .layer(from_fn(cut))
        .layer(from_fn_with_state(app.clone(), come))
        .route("/", get(page))
        .route("/collect.js", get(script))
        .route("/published", get(published))
        .route("/connections", get(connections))
        .route("/results/{client}", get(result).post(say));
    axum::serve(listener, routes.with_state(app)).await.unwrap();
}

/// A few in a burst, then a pause: clients are live some of the time and replay at others.
async fn publish(app: App, first: u64) {
    let publish = |text: String| {
        let event = SseEvent::message(&text).retry(RETRY);
        app.events.publish_event(event).unwrap();
        app.texts.publish(text).unwrap();
    };
    app.begin.notified().await;
    for number in first..first + app.count {
        publish(number.to_string());
        if number % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
    }
    publish("end".to_owned());
}

/// A client comes, for the first time or again.
async fn come(State(app): State<App>, request: Request, next: Next) -> Response {
    if app.texts.cursor().number() < app.count {
        app.connections.fetch_add(1, Ordering::Relaxed);
    }
    app.begin.notify_one();
    next.run(request).await
}

/// Ends the response after a random byte, which may be within an event: half of them as if it
/// were complete, the others as if the server were lost.
async fn cut(request: Request, next: Next) -> Response {
    let random = RandomState::new().hash_one(());
    let most = usize::try_from(random % MOST).unwrap();
    let is_complete = random >> 63 == 0;
    next.run(request).await.map(|body| {
        let parts = (body.into_data_stream(), most);
        let parts = stream::unfold(parts, |(mut parts, most)| async move {
            if most == 0 {
                return None;
            }
            let mut part = parts.next().await?.unwrap();
            part.truncate(most);
            let most = most - part.len();
            Some((Ok(part), (parts, most)))
        });
        let end = stream::once(async {
            // What comes before the error is sent.
            tokio::task::yield_now().await;
            Err(io::Error::other("cut"))
        });
        Body::from_stream(parts.chain(end.take(usize::from(!is_complete))))
    })
}

#[derive(Deserialize)]
struct Resume {
    last_event_id: Option<String>,
}

/// After the last event that the client has, by its header: that of a reconnect is newer than
/// the address.
fn replay(headers: &HeaderMap, Query(query): Query<Resume>) -> Replay {
    let id = headers.get("last-event-id");
    let id = id.map(|id| id.as_bytes().to_vec());
    let id = id.or_else(|| query.last_event_id.map(String::into_bytes));
    Replay::resume(id, Replay::All)
}

/// Ends behind a gap: the client, which comes again, is told of it once if it has the gap's id.
fn end_behind<S: Stream>(
    messages: S,
    is_gap: impl Fn(&S::Item) -> bool,
) -> impl Stream<Item = S::Item> {
    messages.scan(false, move |ends, message| {
        let message = (!*ends).then_some(message);
        *ends = message.as_ref().is_some_and(&is_gap);
        future::ready(message)
    })
}

async fn encoded(
    State(app): State<App>,
    query: Query<Resume>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let live = app.scope.live().unwrap();
    let events = app.events.subscribe(replay(&headers, query));
    let events = events.for_connection(live.handle()).gap_as(|gap| {
        let event = SseEvent::new("gap").id(gap.resume);
        event.data(&gap.to_string()).into_bytes()
    });
    let events = end_behind(events, |event| {
        event
            .split(|&byte| byte == b'\n')
            .any(|line| line == b"event: gap")
    });
    let head = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (head, Body::new(EventBody::new(live.stream(events))))
}

async fn by_axum(
    State(app): State<App>,
    query: Query<Resume>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let live = app.scope.live().unwrap();
    let texts = app.texts.subscribe(replay(&headers, query));
    let texts = end_behind(texts.for_connection(live.handle()), Result::is_err);
    Sse::new(live.stream(texts.map(to_sse)))
}

fn to_sse(text: Result<Published<String>, Gap>) -> Result<Event, Infallible> {
    let event = Event::default().retry(RETRY);
    Ok(match text {
        Ok(text) => event.id(text.cursor().to_string()).data(&*text),
        Err(gap) => {
            let event = event.event("gap").id(gap.resume.to_string());
            event.data(gap.to_string())
        }
    })
}

async fn page() -> Html<&'static str> {
    Html(include_str!("../browsers/page.html"))
}

async fn script() -> impl IntoResponse {
    let head = [(CONTENT_TYPE, "text/javascript")];
    (head, include_str!("../browsers/collect.js"))
}

async fn published(State(app): State<App>) -> String {
    app.texts.cursor().number().to_string()
}

async fn connections(State(app): State<App>) -> String {
    app.connections.load(Ordering::Relaxed).to_string()
}

async fn say(State(app): State<App>, Path(client): Path<String>, result: String) {
    app.results.lock().unwrap().insert(client, result);
}

async fn result(State(app): State<App>, Path(client): Path<String>) -> String {
    let results = app.results.lock().unwrap();
    results.get(&client).cloned().unwrap_or_default()
}
