//! A chat over WebSockets, on axum. The first message of a client is its name.
//!
//! `cargo run -p axum-ws-chat -- 3000`, then connect any WebSocket client to
//! `ws://localhost:3000/chat`, and see who is there: `curl localhost:3000/users`.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use futures::future::select;
use futures::{SinkExt, StreamExt};
use hangup::{Error, Registering, Scope};
use tokio::net::TcpListener;
use tokio::sync::broadcast;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let default = std::env::var("PORT").ok();
    let port = std::env::args().nth(1).or(default);
    let port = port.map_or(3000, |port| port.parse().expect("a port is a number"));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?);

    let scope = Scope::new();
    let chat = Chat {
        scope: scope.clone(),
        messages: broadcast::Sender::new(100),
        users: Arc::default(),
    };
    let app = Router::new()
        .route("/chat", get(upgrade))
        .route("/users", get(users))
        .with_state(chat);
    let drained = scope.drain_after(shutdown_signal(), std::time::Duration::from_secs(2));
    let server = axum::serve(listener, app).with_graceful_shutdown(drained);
    scope.serve(server).await.unwrap_or(Ok(()))
}

#[derive(Clone)]
struct Chat {
    scope: Scope,
    messages: broadcast::Sender<String>,
    users: Arc<Mutex<BTreeSet<String>>>,
}

async fn upgrade(ws: WebSocketUpgrade, State(chat): State<Chat>) -> Result<Response, Error> {
    let setup = chat.scope.open()?.register()?;
    Ok(ws.on_upgrade(|socket| talk(socket, chat, setup)))
}

async fn talk(mut socket: WebSocket, chat: Chat, setup: Registering) {
    let Ok(live) = setup.go_live() else { return };
    let Some(Ok(Message::Text(name))) = socket.recv().await else {
        return;
    };
    let name = name.to_string();
    if !chat.users.lock().unwrap().insert(name.clone()) {
        // An error says that the client has gone.
        let _: Result<(), _> = socket.send("this name is taken".into()).await;
        return;
    }

    let (mut sender, mut receiver) = socket.split();
    let mut messages = chat.messages.subscribe();
    let send = async {
        while let Ok(text) = messages.recv().await {
            if sender.send(text.into()).await.is_err() {
                break;
            }
        }
    };

    let receive = async {
        while let Some(Ok(Message::Text(text))) = receiver.next().await {
            // An error says that there is no receiver.
            let _: Result<usize, _> = chat.messages.send(format!("{name}: {text}"));
        }
    };

    // Until either ends.
    let closing = live.run(select(pin!(send), pin!(receive))).await.err();
    if let Some(closing) = closing {
        let (code, reason) = (Error::from(closing.closed()).close_code(), "".into());
        let close = Message::Close(Some(axum::extract::ws::CloseFrame { code, reason }));
        closing.farewell(|_| sender.send(close)).await;
    }
    chat.users.lock().unwrap().remove(&name);
}

async fn users(State(chat): State<Chat>) -> Json<Vec<String>> {
    Json(chat.users.lock().unwrap().iter().cloned().collect())
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
