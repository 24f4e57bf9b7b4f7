//! On `hangup`, with one topic for all, whose events are encoded once.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::Listener;
use bytes::Bytes;
use hangup::Error;
use hangup::topic::{EventBody, Gap, Replay, Retention, SseEvent, Topic};
use tokio_stream::StreamExt;

use super::PACED;
use crate::events::{self, Numbers};
use crate::server::{BEHIND, HEARTBEAT};

type App = super::App<()>;

pub(crate) async fn serve(listener: impl Listener<Addr = SocketAddr>) -> io::Result<()> {
    let numbers = Arc::new(Numbers::default());
    let topic = Topic::new(Retention::items(BEHIND));
    let publisher = topic.clone();
    let publish = move || publish(publisher, numbers);
    let open = move |app, key| open(app, key, topic);
    let routes = Router::new()
        .route("/events/{key}", get(open))
        .route("/events", post(publish));
    super::serve(listener, App::new(), routes, PACED).await
}

async fn open(
    State(app): State<Arc<App>>,
    Path(key): Path<u64>,
    topic: Topic<Bytes>,
) -> Result<Response, Error> {
    let live = app.connect(key, ())?;
    let events = topic.subscribe(Replay::Now).for_connection(live.handle());
    let events = events.gap_as(|gap: Gap| SseEvent::new("gap").id(gap.resume).into_bytes());
    let said = |event: &str, data: char| SseEvent::new(event).data(&data.to_string()).into_bytes();
    let open = tokio_stream::once(said("open", events::OPEN));
    let events = live
        .stream(open.chain(events))
        .heartbeat(HEARTBEAT, || SseEvent::heartbeat("").into_bytes())?
        .farewell(move |_| Some(said("closed", events::CLOSED)));
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, Body::new(EventBody::new(events))).into_response())
}

async fn publish(topic: Topic<Bytes>, numbers: Arc<Numbers>) -> StatusCode {
    let event = SseEvent::new("output").data(&events::text(numbers.next()));
    match topic.publish_event(event) {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
