//! A server by hand, by an author who takes care: who leaves removes no successor, a newcomer
//! ends its predecessor, a shutdown says goodbye, waits for all, and ends.

pub(super) mod broadcast;
pub(super) mod mpsc;

use std::convert::Infallible;
use std::future::{IntoFuture, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::serve::Listener;
use dashmap::DashMap;
use futures::{Stream, StreamExt, stream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{DRAIN, HEARTBEAT, Hashes, announce};
use crate::events;

struct App<V> {
    /// The parent of each connection's token.
    root: CancellationToken,
    members: DashMap<u64, Member<V>, Hashes>,
    /// Empty when all connections are undone.
    inside: TaskTracker,
    next_id: AtomicU64,
}

struct Member<V> {
    id: u64,
    token: CancellationToken,
    value: V,
}

/// Undoes a connection when it is dropped, which its response's body does.
struct Guard<V> {
    app: Arc<App<V>>,
    key: u64,
    id: u64,
    token: CancellationToken,
    /// The last to go.
    _inside: TaskTrackerToken,
}

impl<V> App<V> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            root: CancellationToken::new(),
            members: DashMap::default(),
            inside: TaskTracker::new(),
            next_id: AtomicU64::new(0),
        })
    }

    fn connect(self: &Arc<Self>, key: u64, value: V) -> Result<Guard<V>, StatusCode> {
        if self.root.is_cancelled() {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        let guard = Guard {
            app: Arc::clone(self),
            key,
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            token: self.root.child_token(),
            _inside: self.inside.token(),
        };
        let member = Member {
            id: guard.id,
            token: guard.token.clone(),
            value,
        };
        if let Some(replaced) = self.members.insert(key, member) {
            replaced.token.cancel();
        }
        Ok(guard)
    }
}

impl<V> Drop for Guard<V> {
    fn drop(&mut self) {
        let members = &self.app.members;
        members.remove_if(&self.key, |_, it| it.id == self.id);
        self.token.cancel();
    }
}

/// A response with `events` until the connection is cancelled, and a farewell then.
fn respond<V, S>(guard: Guard<V>, events: S) -> Response
where
    V: Send + Sync + 'static,
    S: Stream<Item = Event> + Send + 'static,
{
    let token = guard.token.clone();
    let farewell = stream::once(async move { token.is_cancelled().then(events::closed) });
    let events = events
        .take_until(guard.token.clone().cancelled_owned())
        .chain(farewell.filter_map(ready))
        .map(move |event| {
            let _held = &guard;
            Ok::<_, Infallible>(event)
        });
    let keep_alive = KeepAlive::new().interval(HEARTBEAT);
    Sse::new(events).keep_alive(keep_alive).into_response()
}

async fn stop<V>(State(app): State<Arc<App<V>>>, Path(key): Path<u64>) -> StatusCode {
    match app.members.get(&key) {
        Some(member) => {
            member.token.cancel();
            StatusCode::NO_CONTENT
        }
        None => StatusCode::NOT_FOUND,
    }
}

async fn counts<V>(State(app): State<Arc<App<V>>>) -> String {
    format!("{} {}", app.members.len(), app.inside.len())
}

async fn serve<V, L>(listener: L, app: Arc<App<V>>, routes: Router<Arc<App<V>>>) -> io::Result<()>
where
    V: Send + Sync + 'static,
    L: Listener<Addr = SocketAddr>,
{
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    announce(&listener)?;
    let stopped = app.root.clone();
    let routes = routes
        .route("/events/{key}", delete(stop::<V>))
        .route("/counts", get(counts::<V>))
        .with_state(Arc::clone(&app));
    let server = axum::serve(listener, routes)
        .with_graceful_shutdown(app.root.clone().cancelled_owned())
        .into_future();
    let signalled = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopped.cancel();
        // A peer that has stopped reading would keep the server for ever.
        sleep(DRAIN).await;
    };
    let served = tokio::select! {
        served = server => served,
        () = signalled => Ok(()),
    };
    app.inside.close();
    // `Err` if an undo takes too long.
    let _: Result<(), _> = timeout(DRAIN, app.inside.wait()).await;
    served
}
