//! Requests of a session that are dropped at every await, and all other endings that the race kit
//! tries: none of them leaves anything, in the scope, in rmcp's map or in a task.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use axum::routing::any_service;
use axum::{Router, middleware};
use futures::StreamExt;
use hangup::{CloseReason, Conflict, Deadlines, Registry, Scope};
use hangup_test::{AbortEverywhere, Client, Trial, abort_everywhere};
use rmcp::model::{InitializeRequestParams, InitializeResult};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use rmcp_server::sessions::{ScopedSessions, Session, SessionId, answer};
use tower::ServiceExt;

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{
    "protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"kit","version":"0"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const PING: &str = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;

/// The handler of one session, which the test counts.
struct Handler {
    _of_all: Arc<()>,
}

impl ServerHandler for Handler {
    /// It takes a while, and leaves the progress of the handshake to rmcp.
    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        tokio::time::sleep(Duration::from_secs(5)).await;
        context.peer.set_peer_info(request.clone());
        self.negotiate_initialize(&request)
    }
}

#[derive(Clone)]
struct Server {
    scope: Scope,
    open: Registry<SessionId, Session>,
    manager: Arc<ScopedSessions>,
    handlers: Arc<()>,
    app: Router,
}

impl Server {
    fn new(trial: &Trial, idle: Duration) -> Self {
        let idle = Deadlines::new().idle(idle);
        let scope = Scope::builder().deadlines(idle).build();
        // The task that sweeps belongs to the server.
        drop(scope.open().unwrap());
        let open = Registry::new(Conflict::Reject);
        let undo = {
            let trial = trial.clone();
            move |_| trial.point("the undo of the application")
        };
        let manager = Arc::new(ScopedSessions::new(scope.clone(), open.clone()).undo(undo));
        let handlers = Arc::new(());
        let of_all = Arc::downgrade(&handlers);
        let mcp = StreamableHttpService::new(
            move || {
                let of_all = of_all.upgrade().expect("the server is there");
                Ok(Handler { _of_all: of_all })
            },
            Arc::clone(&manager),
            StreamableHttpServerConfig::default().with_sse_keep_alive(None),
        );
        let app = Router::new().route("/mcp", any_service(mcp));
        Self {
            scope,
            open,
            manager,
            handlers,
            app: app.layer(middleware::from_fn(answer)),
        }
    }

    async fn send(
        &self,
        method: Method,
        session: Option<&str>,
        body: &'static str,
    ) -> axum::response::Response {
        let mut request = Request::builder()
            .method(method)
            .uri("http://localhost/mcp")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        let request = request.body(Body::from(body)).unwrap();
        let app = self.app.clone();
        app.oneshot(request).await.unwrap()
    }
}

/// What a client does with a session, all in one: whatever it is at when it vanishes, its
/// requests vanish with it.
async fn session(server: Server, client: Client) {
    let response = server.send(Method::POST, None, INITIALIZE).await;
    let id = response.headers().get("mcp-session-id").cloned();
    client
        .respond(response.into_body().into_data_stream())
        .await;
    let Some(id) = id else { return };
    let id = id.to_str().unwrap();
    let _accepted = server.send(Method::POST, Some(id), INITIALIZED).await;
    let listening = server.send(Method::GET, Some(id), "").await;
    let mut listening = listening.into_body().into_data_stream();
    let _priming = listening.next().await;
    let response = server.send(Method::POST, Some(id), PING).await;
    client
        .respond(response.into_body().into_data_stream())
        .await;
    let _deleted = server.send(Method::DELETE, Some(id), "").await;
    // The end of the session is the end of its streams.
    while listening.next().await.is_some() {}
}

#[test]
fn a_session_leaves_nothing_at_whatever_await_its_requests_are_dropped() {
    let idle = |trial: &Trial| Server::new(trial, Duration::from_secs(30));
    let report = counted(abort_everywhere(idle, session)).check();
    println!("{report}");
    assert!(report.cases() > 100, "{report}");
}

/// A client that vanishes before it has the id of its session cannot end it, and the idle limit
/// is far away: its request ends it, and at once, though its handler is not ready yet.
#[test]
fn a_session_without_an_answer_is_not_kept() {
    let never_idle = |trial: &Trial| Server::new(trial, Duration::from_secs(24 * 3600));
    let connect = |server: Server, _: Client| async move {
        let response = server.send(Method::POST, None, INITIALIZE).await;
        if let Some(id) = response.headers().get("mcp-session-id") {
            // What the client does that has it.
            server
                .open
                .close(id.to_str().unwrap(), CloseReason::Completed);
        }
    };
    let report = counted(abort_everywhere(never_idle, connect))
        .entry("the registry", |server| !server.open.is_empty())
        .check();
    println!("{report}");
    assert!(report.cases() > 5, "{report}");
}

fn counted(test: AbortEverywhere<Server>) -> AbortEverywhere<Server> {
    test.close(|server: Server| async move { server.scope.close_all(CloseReason::Shutdown) > 0 })
        .shutdown(|server: Server| async move {
            server.scope.drain(Duration::from_secs(10)).await.unwrap();
        })
        .resource("connections", |server| server.scope.handles().len())
        .resource("open sessions", |server| server.open.len())
        .resource("sessions of rmcp", |server| {
            server.manager.of_rmcp().unwrap()
        })
        .resource("handlers", |server| Arc::strong_count(&server.handlers))
        .on_tokio()
}
