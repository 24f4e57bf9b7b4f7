//! A chat over server-sent events, on axum.
//!
//! `cargo run -p axum-sse-chat -- 3000`, then, each in a terminal of its own:
//!
//! ```sh
//! curl -N 'localhost:3000/events?name=ada'
//! curl -d hello localhost:3000/messages
//! curl localhost:3000/users
//! ```

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::{Stream, StreamExt};
use hangup::{Scope, layer::Admit};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let default = std::env::var("PORT").ok();
    let port = std::env::args().nth(1).or(default);
    let port = port.map_or(3000, |port| port.parse().expect("a port is a number"));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?);

    let chat = Chat {
        messages: broadcast::Sender::new(100),
        users: Arc::default(),
        next_id: Arc::default(),
    };
    let scope = Scope::new();
    let app = Router::new()
        .route("/events", get(events))
        .route("/messages", post(send_message))
        .route("/users", get(users))
        .layer(Admit::new(scope.clone()))
        .with_state(chat);
    let drained = scope.drain_after(shutdown_signal(), Duration::from_secs(2));
    let server = axum::serve(listener, app).with_graceful_shutdown(drained);
    scope.serve(server).await.unwrap_or(Ok(()))
}

#[derive(Clone)]
struct Chat {
    messages: broadcast::Sender<String>,
    users: Arc<Mutex<BTreeMap<u64, String>>>,
    next_id: Arc<AtomicU64>,
}

/// Removes its user when it is dropped.
struct Guard {
    chat: Chat,
    id: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.chat.users.lock().unwrap().remove(&self.id);
    }
}

#[derive(Deserialize)]
struct User {
    name: String,
}

async fn events(
    State(chat): State<Chat>,
    Query(user): Query<User>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let id = chat.next_id.fetch_add(1, Ordering::Relaxed);
    chat.users.lock().unwrap().insert(id, user.name);
    let messages = BroadcastStream::new(chat.messages.subscribe());
    let guard = Guard { chat, id };
    let events = messages.filter_map(move |message| {
        let _guard = &guard;
        // An error is a gap: this reader was too slow.
        ready(message.ok().map(|text| Ok(Event::default().data(text))))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn send_message(State(chat): State<Chat>, text: String) -> StatusCode {
    // An error says that there is no receiver.
    let _: Result<usize, _> = chat.messages.send(text);
    StatusCode::NO_CONTENT
}

async fn users(State(chat): State<Chat>) -> Json<Vec<String>> {
    Json(chat.users.lock().unwrap().values().cloned().collect())
}

async fn shutdown_signal() {
    let ctrl_c = tokio::signal::ctrl_c();
    #[cfg(unix)]
    let terminate = async {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate()).unwrap().recv().await;
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending();
    tokio::select! {
        _ = ctrl_c => {}
        () = terminate => {}
    }
}
