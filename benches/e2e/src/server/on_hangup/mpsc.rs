//! On `hangup`, with a channel for each connection.

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
use hangup::{CloseReason, Error};
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;

use super::{Shutdown, respond};
use crate::events::{self, Numbers};
use crate::server::BEHIND;

type App = super::App<Sender<Event>>;

pub(crate) async fn serve<L>(listener: L, shutdown: Shutdown) -> io::Result<()>
where
    L: Listener<Addr = SocketAddr>,
{
    let numbers = Arc::new(Numbers::default());
    let publish = move |app| publish(app, numbers);
    let routes = Router::new()
        .route("/events/{key}", get(open))
        .route("/events", post(publish));
    super::serve(listener, App::new(), routes, shutdown).await
}

async fn open(State(app): State<Arc<App>>, Path(key): Path<u64>) -> Result<Response, Error> {
    let (sender, receiver) = channel(BEHIND);
    // There is room for it.
    let _: Result<(), _> = sender.try_send(events::open());
    let live = app.connect(key, sender)?;
    respond(live, ReceiverStream::new(receiver))
}

async fn publish(State(app): State<Arc<App>>, numbers: Arc<Numbers>) -> StatusCode {
    let event = numbers.next_event();
    for (_, member) in app.members.iter() {
        if member.try_send(event.clone()).is_err() {
            // It is too far behind. `Err` if it has closed already.
            let _: Result<(), _> = member.handle().close(CloseReason::Overflow);
        }
    }
    StatusCode::NO_CONTENT
}
