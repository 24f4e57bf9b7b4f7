//! A session of tower-mcp that is deleted while its stream is open.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures::FutureExt;
use hangup_test::{Client, Fault, Trial, abort_everywhere};
use hangup_wild::Row;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_mcp::{HttpTransport, McpRouter};

const DELETE: Row = Row::known(4, "tower-mcp", "a DELETE of a session with an open stream");

const SESSION: &str = "mcp-session-id";

#[derive(Clone)]
struct App {
    router: Router,
    session: String,
}

impl App {
    /// A server with one session.
    async fn new() -> Self {
        let router = HttpTransport::new(McpRouter::new()).into_router();
        let request = Request::post("/")
            .header("host", "localhost")
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .body(Body::from(
                r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{
                    "protocolVersion":"2025-06-18","capabilities":{},
                    "clientInfo":{"name":"ada","version":"1"}}}"#,
            ))
            .unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let session = response.headers()[SESSION].to_str().unwrap().to_owned();
        Self { router, session }
    }

    async fn send(&self, method: Method) -> Response {
        let request = Request::builder()
            .method(method)
            .uri("/")
            .header("host", "localhost")
            .header("accept", "text/event-stream")
            .header(SESSION, &self.session)
            .body(Body::empty())
            .unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }
}

#[test]
fn a_stream_outlives_its_session() {
    // The session belongs to the server, so that only its stream is a connection.
    let server = |_: &Trial| App::new().now_or_never().unwrap();
    let connect = |app: App, client: Client| async move {
        let response = app.send(Method::GET).await;
        client
            .respond(response.into_body().into_data_stream())
            .await;
    };
    let report = abort_everywhere(server, connect)
        .close(|app| async move { app.send(Method::DELETE).await.status().is_success() })
        .on_tokio()
        .explore()
        .unwrap();
    DELETE.found(&report, |fault| matches!(fault, Fault::Lingers));
}

#[tokio::test(start_paused = true)]
async fn a_stream_outlives_its_session_without_the_kit() {
    let app = App::new().await;
    let stream = app.send(Method::GET).await;
    assert_eq!(stream.status(), StatusCode::OK);
    assert_eq!(app.send(Method::DELETE).await.status(), StatusCode::OK);
    let gone = app.send(Method::GET).await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    // An hour of heartbeats.
    let mut body = stream.into_body();
    for _ in 0..120 {
        let frame = body.frame().await.unwrap().unwrap();
        assert!(frame.into_data().unwrap().starts_with(b":"));
    }
    DELETE.confirmed();
}
