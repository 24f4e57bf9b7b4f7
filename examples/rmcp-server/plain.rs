//! An MCP server over streamable HTTP, with sessions, on rmcp and axum.
//!
//! `cargo run -p rmcp-server -- 3000`, then call the tool `count_down` by an MCP client, at
//! `http://localhost:3000/mcp`, and count the sessions: `curl localhost:3000/sessions`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ProgressNotificationParam, RequestMetaObject};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{Peer, RoleServer, schemars, tool, tool_router};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let default = std::env::var("PORT").ok();
    let port = std::env::args().nth(1).or(default);
    let port = port.map_or(3000, |port| port.parse().expect("a port is a number"));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?);

    let (sessions, shutdown) = (Sessions::default(), CancellationToken::new());
    let of_all = Arc::clone(&sessions);
    let service = StreamableHttpService::new(
        move || Ok(Counter::new(Arc::clone(&of_all))),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default().with_cancellation_token(shutdown.child_token()),
    );
    let app = Router::new()
        .nest_service("/mcp", service)
        .route("/sessions", get(count_sessions))
        .with_state(sessions);
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown_signal(shutdown))
        .await
}

/// How often each session has counted down.
type Sessions = Arc<Mutex<BTreeMap<u64, u32>>>;

/// The handler of one session.
struct Counter {
    sessions: Sessions,
    id: u64,
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.sessions.lock().unwrap().remove(&self.id);
    }
}

#[derive(Deserialize, schemars::JsonSchema)]
struct CountDown {
    from: u32,
    every_ms: u64,
    text: String,
}

#[tool_router(server_handler)]
impl Counter {
    fn new(sessions: Sessions) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        sessions.lock().unwrap().insert(id, 0);
        Self { sessions, id }
    }

    #[tool(description = "Counts down, and reports each step as progress")]
    async fn count_down(
        &self,
        Parameters(args): Parameters<CountDown>,
        meta: RequestMetaObject,
        client: Peer<RoleServer>,
    ) -> String {
        for step in 1..=args.from {
            tokio::time::sleep(Duration::from_millis(args.every_ms)).await;
            if let Some(token) = meta.get_progress_token() {
                let progress = ProgressNotificationParam::new(token, step.into());
                let progress = progress.with_message(&args.text);
                let _: Result<(), _> = client.notify_progress(progress).await;
            }
        }
        let mut sessions = self.sessions.lock().unwrap();
        let number = sessions.entry(self.id).or_default();
        *number += 1;
        format!("count down {number} of this session")
    }
}

async fn count_sessions(State(sessions): State<Sessions>) -> Json<usize> {
    Json(sessions.lock().unwrap().len())
}

async fn shutdown_signal(tell: CancellationToken) {
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
    tell.cancel();
}
