//! By hand, with one channel for all.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::response::sse::Event;
use axum::routing::{get, post};
use axum::serve::Listener;
use tokio::sync::broadcast::Sender;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::BroadcastStream;

use super::respond;
use crate::events::{self, Numbers};
use crate::server::BEHIND;

type App = super::App<()>;

pub(crate) async fn serve(listener: impl Listener<Addr = SocketAddr>) -> io::Result<()> {
    let numbers = Arc::new(Numbers::default());
    let all = Sender::new(BEHIND);
    let publisher = all.clone();
    let publish = move || publish(publisher, numbers);
    let open = move |app, key| open(app, key, all);
    let routes = Router::new()
        .route("/events/{key}", get(open))
        .route("/events", post(publish));
    super::serve(listener, App::new(), routes).await
}

async fn open(
    State(app): State<Arc<App>>,
    Path(key): Path<u64>,
    all: Sender<Event>,
) -> Result<Response, StatusCode> {
    // An error is a gap: the stream ends, and the client comes back.
    let events = BroadcastStream::new(all.subscribe()).map_while(Result::ok);
    let guard = app.connect(key, ())?;
    let open = tokio_stream::once(events::open());
    Ok(respond(guard, open.chain(events)))
}

async fn publish(all: Sender<Event>, numbers: Arc<Numbers>) -> StatusCode {
    // `Err` if there is no stream.
    let _: Result<usize, _> = all.send(numbers.next_event());
    StatusCode::NO_CONTENT
}
