//! By hand, with a channel for each connection.

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
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;

use super::respond;
use crate::events::{self, Numbers};
use crate::server::BEHIND;

type App = super::App<Sender<Event>>;

pub(crate) async fn serve(listener: impl Listener<Addr = SocketAddr>) -> io::Result<()> {
    let numbers = Arc::new(Numbers::default());
    let publish = move |app| publish(app, numbers);
    let routes = Router::new()
        .route("/events/{key}", get(open))
        .route("/events", post(publish));
    super::serve(listener, App::new(), routes).await
}

async fn open(State(app): State<Arc<App>>, Path(key): Path<u64>) -> Result<Response, StatusCode> {
    let (sender, receiver) = channel(BEHIND);
    // There is room for it.
    let _: Result<(), _> = sender.try_send(events::open());
    let guard = app.connect(key, sender)?;
    Ok(respond(guard, ReceiverStream::new(receiver)))
}

async fn publish(State(app): State<Arc<App>>, numbers: Arc<Numbers>) -> StatusCode {
    let event = numbers.next_event();
    for member in &app.members {
        if member.value.try_send(event.clone()).is_err() {
            // It is too far behind.
            member.token.cancel();
        }
    }
    StatusCode::NO_CONTENT
}
