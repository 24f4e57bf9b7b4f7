//! A server whose clients lose their connection all the time, and come back by themselves.
//!
//! `events ADDR FIRST COUNT` publishes so many numbers from `FIRST` on, once a client has come.
//! `ci/browsers` starts it, and drives it with real clients.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use bytes::Bytes;
use futures::StreamExt;
use hangup::Scope;
use hangup::topic::{EventBody, Gap, Replay, Retention, SseEvent, Topic};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::Notify;

#[derive(Clone)]
struct App {
    scope: Scope,
    topic: Topic<Bytes>,
    begin: Arc<Notify>,
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
    let app = App {
        scope: Scope::new(),
        topic: Topic::new(Retention::items(usize::try_from(count).unwrap() + 1)),
        begin: Arc::default(),
        results: Arc::default(),
    };
    let listener = TcpListener::bind(addr).await.unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    tokio::spawn(publish(app.clone(), first, count));
    let routes = Router::new()
        .route("/", get(page))
        .route("/collect.js", get(script))
        .route("/events", get(events))
        .route("/published", get(published))
        .route("/results/{client}", get(result).post(say));
    axum::serve(listener, routes.with_state(app)).await.unwrap();
}

/// A few in a burst, then a pause: clients are live some of the time and replay at others.
async fn publish(app: App, first: u64, count: u64) {
    app.begin.notified().await;
    for number in first..first + count {
        let event = SseEvent::message(&number.to_string()).retry(Duration::from_millis(5));
        app.topic.publish_event(event).unwrap();
        if number % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
    }
    app.topic.publish_event(SseEvent::message("end")).unwrap();
}

#[derive(Deserialize)]
struct Resume {
    last_event_id: Option<String>,
}

async fn events(
    State(app): State<App>,
    Query(query): Query<Resume>,
    headers: HeaderMap,
) -> impl IntoResponse {
    app.begin.notify_one();
    let id = headers
        .get("last-event-id")
        .map(|id| id.as_bytes().to_vec());
    let id = id.or_else(|| query.last_event_id.map(String::into_bytes));
    let live = app.scope.live().unwrap();
    let messages = app.topic.subscribe(Replay::resume(id, Replay::All));
    let messages = messages.for_connection(live.handle()).gap_as(gap_event);
    // The connection ends at a random place.
    let random = RandomState::new().hash_one(()) % 120;
    let messages = messages.take(usize::try_from(random).unwrap());
    let head = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (head, Body::new(EventBody::new(live.stream(messages))))
}

fn gap_event(gap: Gap) -> Bytes {
    let event = SseEvent::new("gap").id(gap.resume);
    event.data(&gap.to_string()).into_bytes()
}

async fn page() -> Html<&'static str> {
    Html(include_str!("../browsers/page.html"))
}

async fn published(State(app): State<App>) -> String {
    app.topic.cursor().number().to_string()
}

async fn script() -> impl IntoResponse {
    let head = [(CONTENT_TYPE, "text/javascript")];
    (head, include_str!("../browsers/collect.js"))
}

async fn say(State(app): State<App>, Path(client): Path<String>, result: String) {
    app.results.lock().unwrap().insert(client, result);
}

async fn result(State(app): State<App>, Path(client): Path<String>) -> String {
    let results = app.results.lock().unwrap();
    results.get(&client).cloned().unwrap_or_default()
}
