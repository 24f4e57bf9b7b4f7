//! An MCP server over streamable HTTP whose sessions are connections of a scope, as its streams
//! are: with a cap, an idle limit, an end at a shutdown, and an undo that may be `async`.
//!
//! `MAX_SESSIONS=2 IDLE_MS=60000 cargo run -p rmcp-server --bin rmcp-server-sessions -- 3000`, then
//! call the tool `count_down` by an MCP client, at `http://localhost:3000/mcp`, and see what the
//! handlers hold and what is open: `curl localhost:3000/sessions`.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router, middleware};
use hangup::{Conflict, Deadlines, Registry, Scope, layer::Admit, runtime::shutdown_signal};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ProgressNotificationParam, RequestMetaObject};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{Peer, RoleServer, schemars, tool, tool_router};
use rmcp_server::sessions::{ScopedSessions, SessionId, answer};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let argument = std::env::args().nth(1);
    let port = argument.map_or(3000, |port| port.parse().expect("a port is a number"));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?);
    let idle = Duration::from_millis(setting("IDLE_MS", 300_000));
    let drain = Duration::from_millis(setting("DRAIN_MS", 2000));

    // The cap is that of the sessions. A shutdown drains both.
    let sweep = Duration::from_millis(250).min(idle / 4);
    let keep_alive = Duration::from_secs(15).min(idle / 4);
    let scope = Scope::builder().sweep_every(sweep).build();
    let deadlines = Deadlines::new().idle(idle).undo(Duration::from_secs(1));
    let of_sessions = scope.child().max_connections(setting("MAX_SESSIONS", 1000));
    let open = Registry::builder(Conflict::Reject)
        .on_first(|id: &SessionId| println!("session {id} begins"))
        .on_last(|id| println!("session {id} is over"))
        .build();
    let of_sessions = of_sessions.deadlines(deadlines).build();
    let manager = Arc::new(ScopedSessions::new(of_sessions, open.clone()).undo(forget));

    let handlers = Arc::new(());
    let all = Arc::downgrade(&handlers);
    let service = StreamableHttpService::new(
        move || {
            let of_all = Arc::clone(&handlers);
            Ok(Counter { _of_all: of_all })
        },
        Arc::clone(&manager),
        // Each of these polls a stream that is read, and so touches its session.
        StreamableHttpServerConfig::default().with_sse_keep_alive(Some(keep_alive)),
    );
    let count = move || {
        // Without the one that the service has.
        let held = all.strong_count() - 1;
        let counts = Counts {
            held,
            open: open.len(),
            of_rmcp: manager.of_rmcp(),
        };
        std::future::ready(Json(counts))
    };
    let mcp = Router::new().nest_service("/mcp", service);
    let app = Router::new()
        .merge(mcp.layer(middleware::from_fn(answer)))
        .route("/sessions", get(count))
        .layer(Admit::new(scope.clone()));
    let drained = scope
        .drain_after(shutdown_signal()?, drain)
        .on_report(|r| eprintln!("{r:?}"));
    let server = axum::serve(listener, app).with_graceful_shutdown(drained);
    scope.serve(server).await.unwrap_or(Ok(()))
}

/// How many sessions there are.
#[derive(Serialize)]
struct Counts {
    /// By the handlers that rmcp holds.
    held: usize,
    /// By the registry.
    open: usize,
    /// By rmcp's own map.
    of_rmcp: Option<usize>,
}

/// The handler of one session.
struct Counter {
    _of_all: Arc<()>,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct CountDown {
    from: u32,
    every_ms: u64,
    text: String,
}

#[tool_router(server_handler)]
impl Counter {
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
                if client.notify_progress(progress).await.is_err() {
                    return "the session has ended".to_owned();
                }
            }
        }
        "done".to_owned()
    }
}

/// Stands for a call to a database, say.
async fn forget(id: SessionId) {
    tokio::time::sleep(Duration::from_millis(20)).await;
    println!("session {id} is forgotten");
}

fn setting<T: FromStr>(name: &str, default: T) -> T {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| {
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number"))
    })
}
