//! The same server on `hangup`.

pub(super) mod broadcast;
pub(super) mod mpsc;
pub(super) mod topic;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::serve::Listener;
use futures::{Stream, StreamExt};
use hangup::future::Drain;
use hangup::runtime::shutdown_signal;
use hangup::{CloseReason, Conflict, Error, Live, Registry, Scope};

use super::{DRAIN, HEARTBEAT, Hashes, announce};
use crate::events;

/// How a shutdown closes the connections.
pub(super) type Shutdown = fn(Drain) -> Drain;

/// In batches with pauses, so that not all clients come back at once.
pub(super) const PACED: Shutdown = |drain| drain;
pub(super) const AT_ONCE: Shutdown = |drain| drain.spread(Duration::ZERO);

const STOPPED: CloseReason = CloseReason::App(1);

struct App<V> {
    scope: Scope,
    members: Registry<u64, V, Hashes>,
}

impl<V: Send + Sync + 'static> App<V> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            scope: Scope::new(),
            members: Registry::with_hasher(Conflict::Replace, Hashes::default()),
        })
    }

    fn connect(&self, key: u64, value: V) -> Result<Live, Error> {
        let mut setup = self.scope.open()?.register()?;
        setup.join(&self.members, key, value)?;
        Ok(setup.go_live()?)
    }
}

/// A response with `events` until the connection closes, and a farewell then.
fn respond<S>(live: Live, events: S) -> Result<Response, Error>
where
    S: Stream<Item = Event> + Send + 'static,
{
    let events = live
        .stream(events)
        .heartbeat(HEARTBEAT, || Event::DEFAULT_KEEP_ALIVE)?
        .farewell(|_| Some(events::closed()));
    Ok(Sse::new(events.map(Ok::<_, Infallible>)).into_response())
}

async fn stop<V: Send + Sync + 'static>(
    State(app): State<Arc<App<V>>>,
    Path(key): Path<u64>,
) -> StatusCode {
    match app.members.close(&key, STOPPED) {
        0 => StatusCode::NOT_FOUND,
        _ => StatusCode::NO_CONTENT,
    }
}

async fn counts<V: Send + Sync + 'static>(State(app): State<Arc<App<V>>>) -> String {
    let stats = app.scope.stats();
    format!("{} {}", app.members.len(), stats.open() + stats.settling)
}

async fn serve<V, L>(
    listener: L,
    app: Arc<App<V>>,
    routes: Router<Arc<App<V>>>,
    shutdown: Shutdown,
) -> io::Result<()>
where
    V: Send + Sync + 'static,
    L: Listener<Addr = SocketAddr>,
{
    let drained = app.scope.drain_after(shutdown_signal()?, DRAIN);
    let drained = drained.map_drain(shutdown);
    announce(&listener)?;
    let scope = app.scope.clone();
    let routes = routes
        .route("/events/{key}", delete(stop::<V>))
        .route("/counts", get(counts::<V>))
        .with_state(app);
    let server = axum::serve(listener, routes).with_graceful_shutdown(drained);
    scope.serve(server).await.unwrap_or(Ok(()))
}
